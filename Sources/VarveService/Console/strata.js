// Versions as layers: each as thick as the rows it added, changed and removed, oldest at the bottom.
import { svg, count } from "./dom.js";

const LEAST = 3; // Pixels of the thinnest layer, so that it can be seen and met.
const KINDS = [["removed", "deleted"], ["changed", "updated"], ["added", "inserted"]];

const size = version => version.rows ? version.rows.inserted + version.rows.updated + version.rows.deleted : 0;

/** Pixels per row so that all layers together are `height` high, thin ones drawn as thin as can be seen. */
function perRow(sizes, height) {
  const room = rows => sizes.reduce((sum, size) => sum + Math.max(LEAST, size * rows), 0);
  let low = 0, high = height;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (room(middle) > height) high = middle; else low = middle;
  }
  return low;
}

/** A boundary between layers: water never lays them quite even. The same for the same seed. */
function wave(seed, width, amplitude) {
  const points = [];
  const phase = (seed * 2.399963) % 6.283, second = (seed * 1.7123) % 6.283;
  for (let x = 0; x <= width; x += Math.max(6, width / 24)) points.push(x);
  points[points.length - 1] = width;
  return points.map(x => [x, amplitude * (Math.sin(x / 31 + phase) * .65 + Math.sin(x / 13 + second) * .35)]);
}

function band(top, topLine, bottom, bottomLine, left) {
  const over = topLine.map(([x, y]) => `${(x + left).toFixed(1)} ${(top + y).toFixed(2)}`);
  const under = bottomLine.map(([x, y]) => `${(x + left).toFixed(1)} ${(bottom + y).toFixed(2)}`).reverse();
  return `M${over.join("L")}L${under.join("L")}Z`;
}

function sentence(version) {
  const rows = version.rows;
  const what = rows ? `${count(rows.inserted)} added, ${count(rows.updated)} changed, ${count(rows.deleted)} removed` : "of another writer";
  return `version ${version.version}: ${what}`;
}

/** A number of rows that is round and high enough to be written along; 0 where none fits. */
function scaleRows(pixels) {
  for (let power = 0; power < 12; power++) for (const digit of [1, 2, 5]) {
    const rows = digit * 10 ** power;
    if (rows * pixels >= 46 + 5 * power) return rows * pixels <= 240 ? rows : 0;
  }
  return 0;
}

/**
 * The core of a table. `versions` newest first, as the service lists them.
 * options: width, height, isSmall (no axis), chosen and other (numbers), onChoose.
 */
export function core(versions, options) {
  const { width, height, isSmall } = options;
  const left = isSmall ? 0 : options.axis ?? 40, right = isSmall ? 0 : options.margin ?? 62;
  const inner = width - left - right;
  const layers = [...versions].reverse();
  const pixels = perRow(layers.map(size), height);
  const drawing = svg("svg", {
    class: "strata", viewBox: `0 0 ${width} ${height + 8}`, role: "img",
    "aria-label": isSmall ? undefined : `Layers of ${layers.length} versions, oldest at the bottom`, "aria-hidden": isSmall ? "true" : undefined,
  });
  if (!isSmall) drawing.setAttribute("width", width);
  let y = height + 4;
  let bottomLine = wave(0, inner, 0);
  let lastLabel = Infinity;
  const marks = [];
  for (const [index, version] of layers.entries()) {
    const thick = Math.max(LEAST, size(version) * pixels);
    const isTop = index === layers.length - 1;
    const amplitude = isTop ? Math.min(1.2, thick / 5) : Math.min(1.8, thick / 4, Math.max(LEAST, size(layers[index + 1]) * pixels) / 4);
    const topLine = wave(version.version, inner, amplitude);
    const layer = svg("g", {
      class: "layer" + (version.is_published ? "" : " unpublished"), "data-version": version.version,
      onclick: options.onChoose && (() => options.onChoose(version.version)),
    }, svg("title", {}, sentence(version)));
    const parts = version.rows ? KINDS.map(([kind, key]) => [kind, version.rows[key]]).filter(part => part[1] > 0) : [];
    if (parts.length === 0) parts.push(["unknown", 1]);
    const whole = parts.reduce((sum, part) => sum + part[1], 0);
    let at = y, line = bottomLine;
    for (const [number, [kind, rows]] of parts.entries()) {
      const isLast = number === parts.length - 1;
      const next = isLast ? y - thick : at - thick * rows / whole;
      const nextLine = isLast ? topLine : wave(version.version * 7 + number, inner, Math.min(1.2, thick * rows / whole / 4));
      layer.append(svg("path", { class: kind, d: band(next, nextLine, at, line, left) }));
      at = next;
      line = nextLine;
    }
    if (thick > 5 || isSmall === undefined) layer.append(svg("path", { class: "edge", d: "M" + topLine.map(([x, dy]) => `${(x + left).toFixed(1)} ${(y - thick + dy).toFixed(2)}`).join("L") }));
    drawing.append(layer);
    if (!isSmall) {
      const middle = y - thick / 2;
      const isMarked = version.version === options.chosen || version.version === options.shown;
      if (version.version === options.chosen || version.version === options.other) {
        marks.push(svg("path", { class: version.version === options.chosen ? "pick" : "other", d: band(y - thick, topLine, y, bottomLine, left) }));
      }
      if (isMarked || lastLabel - middle >= 15) {
        drawing.append(svg("text", { x: left - 8, y: middle + 4, "text-anchor": "end", class: version.version === options.chosen ? "strong" : "" }, String(version.version)));
        lastLabel = middle;
      }
      if (version.version === options.shown) {
        const x = left + inner;
        marks.push(svg("path", { class: "flag", d: `M${x + 3} ${middle}l7-5v10z` }), svg("text", { class: "flagged", x: x + 13, y: middle + 4 }, options.flag ?? "readers"));
      }
    }
    y -= thick;
    bottomLine = topLine;
  }
  drawing.append(...marks);
  const rows = isSmall ? 0 : scaleRows(pixels);
  if (rows) {
    const x = left + inner + 8, foot = height + 4;
    drawing.append(
      svg("path", { class: "tick", fill: "none", d: `M${x - 3} ${foot}h6m-3 0v${-rows * pixels}m-3 0h6` }),
      svg("text", { "text-anchor": "middle", transform: `translate(${x + 14} ${foot - rows * pixels / 2}) rotate(-90)` }, count(rows) + (rows === 1 ? " row" : " rows")));
  }
  return drawing;
}

/** Executions in their order, each a point; a thread leads from each to what it was built upon. */
export function runs(executions) {
  const step = 84, height = 92, at = new Map();
  const width = Math.max(1, executions.length) * step + 20;
  const drawing = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${executions.length} executions in their order` });
  executions.forEach((run, index) => at.set(run.version, 40 + index * step));
  for (const run of executions) {
    const from = at.get(run.base), to = at.get(run.version);
    if (from !== undefined) drawing.append(svg("path", { class: "thread", d: to - from <= step ? `M${from} 42H${to}` : `M${from} 42C${from + 30} 14 ${to - 30} 14 ${to} 42` }));
  }
  for (const run of executions) {
    const x = at.get(run.version);
    const radius = 6 + Math.min(8, Math.log10(1 + run.rows.inserted + run.rows.updated + run.rows.deleted) * 2);
    drawing.append(
      svg("circle", { class: `run ${run.status}`, cx: x, cy: 42, r: run.status === "superseded" ? 4 : radius }, svg("title", {}, `${run.execution}: ${run.status}, version ${run.version}`)),
      svg("text", { x, y: 70, "text-anchor": "middle", class: run.status === "stale" ? "stale" : "strong" }, run.execution.slice(0, 13)),
      svg("text", { x, y: 84, "text-anchor": "middle", class: run.status === "stale" ? "stale" : "" }, run.status === "active" ? `v${run.version}` : run.status));
  }
  return drawing;
}

/** The chunks of a delivery, one square each. */
export function chunks(list) {
  const side = 11, perLine = 60, shownMax = 1800;
  const part = list.slice(0, shownMax);
  const rows = Math.ceil(part.length / perLine) || 1;
  const width = Math.min(part.length, perLine) * side || side;
  return svg("svg", { width, height: rows * side, viewBox: `0 0 ${width} ${rows * side}`, role: "img", "aria-label": `${list.length} chunks` },
    part.map((chunk, index) => svg("rect", {
      class: `chunk ${chunk.state}`, x: index % perLine * side, y: Math.floor(index / perLine) * side, width: side - 2, height: side - 2, rx: 2,
    }, svg("title", {}, `chunk ${chunk.number}: ${chunk.state}, ${counted(chunk)}${chunk.error ? `, ${chunk.error}` : ""}`))));
}

const counted = chunk => `${count(chunk.records)} records, ${chunk.attempts} ${chunk.attempts === 1 ? "attempt" : "attempts"}`;
