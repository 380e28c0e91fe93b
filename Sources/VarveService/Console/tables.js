// The rack of all tables, and the page of one: its layers, rows, executions, deliveries and columns.
import { get, lines, post } from "./api.js";
import { ago, bytes, cellClass, count, counted, h, say, scroll, shown, time } from "./dom.js";
import { core, runs } from "./strata.js";
import { deliveryList } from "./work.js";

const VERSIONS_MAX = 250, CHANGES_MAX = 300, ROWS_MAX = 200;
const place = name => `tables/${encodeURIComponent(name)}`;
const link = (name, part) => `#/tables/${encodeURIComponent(name)}${part ? "/" + part : ""}`;

/** All tables as cores in a rack, each to its own scale. */
export async function rack(main) {
  const { tables } = await get("tables");
  main.replaceChildren(
    h("h1", {}, "Tables"),
    h("p", { className: "soft" }, tables.length
      ? "Each core is drawn to its own scale: the oldest version at the bottom, as thick as the rows it added, changed and removed."
      : "There is no table yet. Ingest a feed: varve ingest FILE --into TABLE, or POST /api/ingest."),
    legend());
  const list = h("ul", { className: "rack" });
  main.append(list);
  for (const table of tables) {
    const drawn = h("span", { "aria-hidden": "true" });
    list.append(h("li", {}, h("a", { href: link(table.name) }, drawn, h("span", {},
      h("b", {}, table.name), h("small", {}, counted(table.rows, "row")), h("small", {}, `version ${table.version}, ${ago(table.updated)}`),
      table.key.length ? h("small", {}, "key " + table.key.join(", ")) : null))));
    get(`${place(table.name)}/versions?limit=60`).then(({ versions }) => {
      drawn.append(core(versions, { width: 64, height: 112, isSmall: true }));
    });
  }
}

const legend = () => h("p", { className: "legend" }, ["added", "changed", "removed"].map(kind => h("span", {}, h("i", { className: kind }), kind)),
  h("span", {}, h("i", { className: "unknown" }), "no rows, or not told"));

/** The page of one table. `state` lives as long as the page is shown. */
export async function table(main, name, part = "layers", state = {}) {
  const [about, { versions }] = await Promise.all([get(place(name)), get(`${place(name)}/versions?limit=${VERSIONS_MAX}`)]);
  const newest = versions[0]?.version ?? about.version;
  const [publication] = about.publication.split(" ");
  state.chosen ??= newest;
  const parts = { layers, rows, executions, quarantine, deliveries, columns };
  const body = h("section", { "aria-label": part });
  const report = h("div", { role: "status" });
  const verify = h("button", { onclick: () => verifyNow(name, verify, report) }, "Verify");
  const publish = h("button", { className: "first", onclick: () => askToPublish(name, about, versions, state) }, "Publish…");
  main.replaceChildren(
    h("div", { className: "head" }, h("div", {}, h("h1", {}, name), h("ul", { className: "facts" },
      h("li", {}, h("b", {}, counted(about.rows, "row")), ", ", counted(about.columns.length, "column"), ", ", bytes(about.bytes)),
      h("li", {}, "readers see ", h("b", {}, `version ${about.version}`), publication === "follow" ? " " : `, ${publication} `,
        about.version < newest ? h("span", { className: "chip warn" }, `${newest - about.version} newer`) : null),
      about.key.length ? h("li", {}, "key ", h("b", {}, about.key.join(", "))) : null,
      about.partition_columns.length ? h("li", {}, "by ", h("b", {}, about.partition_columns.join(", "))) : null,
      h("li", {}, about.mode), h("li", {}, ago(about.updated)))),
    h("div", { className: "buttons" }, verify, publish)),
    publication === "held" && about.publication_reason ? h("p", { className: "note warn" }, `Newer versions are held back: ${about.publication_reason}`) : "",
    report,
    h("nav", { className: "tabs", "aria-label": "Parts of the table" }, Object.keys(parts).map(key =>
      h("a", { href: link(name, key), "aria-current": key === part ? "page" : null }, key[0].toUpperCase() + key.slice(1)))),
    body);
  await (parts[part] || layers)(body, name, about, versions, state);
}

// Layers

async function layers(body, name, about, versions, state) {
  const drawn = h("div", { className: "core" });
  const height = Math.max(220, Math.min(470, innerHeight - 260));
  const changed = h("div", { role: "status" });
  const from = h("select", { "aria-label": "older version" }), to = h("select", { "aria-label": "newer version" });
  const numbers = versions.map(version => version.version);
  for (const select of [from, to]) select.append(...[...numbers, ...(numbers.includes(0) ? [] : [0])].map(number => h("option", { value: number }, number === 0 ? "0 (empty)" : number)));
  const rowsOf = new Map();
  const draw = () => {
    const isNarrow = innerWidth <= 760;
    drawn.replaceChildren(core(versions, {
      width: isNarrow ? 92 : 260, height: isNarrow ? Math.min(440, height) : height, axis: isNarrow ? 22 : 40, margin: isNarrow ? 24 : 66,
      chosen: state.chosen, other: state.from, shown: about.version, flag: isNarrow ? "" : "readers", onChoose: choose,
    }), legend(), versions.length === VERSIONS_MAX ? h("p", { className: "soft" }, `The newest ${VERSIONS_MAX} versions.`) : "");
    for (const [number, row] of rowsOf) {
      row.classList.toggle("chosen", number === state.chosen);
      row.setAttribute("aria-selected", String(number === state.chosen));
    }
  };
  const compare = async () => {
    state.chosen = Number(to.value);
    state.from = Number(from.value);
    draw();
    changed.replaceChildren(h("p", { className: "soft" }, "comparing…"));
    // What was asked for before may be answered later.
    const mine = state.comparison = {};
    const found = await difference(name, state.from, state.chosen).catch(error => [h("p", { className: "note bad" }, error.message)]);
    if (state.comparison === mine) changed.replaceChildren(...found);
  };
  const choose = number => {
    const below = numbers[numbers.indexOf(number) + 1] ?? 0;
    to.value = number;
    from.value = below;
    return compare();
  };
  const step = (event, number) => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const next = move && numbers[numbers.indexOf(number) + move];
    if (next === undefined || !move) return;
    event.preventDefault();
    rowsOf.get(next).querySelector("button").focus();
    choose(next);
  };
  const amount = (version, key, sign) => version.rows && version.rows[key] ? sign + count(version.rows[key]) : "";
  const list = h("table", {}, h("thead", {}, h("tr", {}, ["Version", "When (UTC)", "How", "From"].map(text => h("th", { scope: "col" }, text)),
    ["Added", "Changed", "Removed"].map(text => h("th", { scope: "col", className: "number" }, text)))),
  h("tbody", {}, versions.map(version => {
    const row = h("tr", { onclick: event => { if (event.target.tagName !== "BUTTON") choose(version.version); } },
      h("td", {}, h("button", { "aria-label": `Version ${version.version}`, onclick: () => choose(version.version), onkeydown: event => step(event, version.version) }, version.version),
        version.version === about.version ? h("span", { className: "chip live" }, "readers") : version.is_published ? null : h("span", { className: "chip warn" }, "not shown")),
      h("td", { className: "when" }, time(version.timestamp)),
      h("td", { className: "how" }, version.mode || version.operation.toLowerCase(), version.execution ? h("span", { className: "soft" }, " " + version.execution) : null),
      h("td", { className: "source" }, version.sources.join(", ") || h("span", { className: "soft" }, version.mode ? "" : "another writer"),
        version.rows?.rejected ? [" ", h("span", { className: "chip bad" }, `${count(version.rows.rejected)} rejected`)] : null),
      h("td", { className: "number count" }, amount(version, "inserted", "+")), h("td", { className: "number count" }, amount(version, "updated", "~")),
      h("td", { className: "number count" }, amount(version, "deleted", "−")));
    rowsOf.set(version.version, row);
    return row;
  })));
  for (const select of [from, to]) select.addEventListener("change", compare);
  body.replaceChildren(
    h("div", { className: "layers" }, drawn, scroll("Versions, newest first", "versions", list)),
    h("div", { className: "compare" }, h("h2", {}, "What changed"), h("span", {}, "from version"), from, h("span", {}, "to"), to), changed);
  if (versions.length === 0) return;
  state.redraw?.abort();
  state.redraw = new AbortController();
  addEventListener("resize", draw, { signal: state.redraw.signal });
  if (!numbers.includes(state.chosen)) state.chosen = numbers[0];
  if (state.from !== undefined && (state.from === 0 || numbers.includes(state.from))) {
    to.value = state.chosen;
    from.value = state.from;
    await compare();
  } else {
    await choose(state.chosen);
  }
}

/** Row by row, what became of the table between two versions. */
async function difference(name, from, to) {
  if (from === to) return [h("p", { className: "soft" }, "This is the same version twice.")];
  const { found, isCut } = await lines(`${place(name)}/diff?from=${from}&to=${to}`, CHANGES_MAX);
  const columns = [...new Set(found.flatMap(change => Object.keys(change.row)))];
  const kinds = { inserted: "added", updated: "changed", deleted: "removed" };
  const tally = Object.entries(kinds).map(([key, word]) => [found.filter(change => change.change === key).length, word]).filter(part => part[0]);
  return [
    h("p", {}, tally.length ? tally.map(([number, word]) => `${count(number)} ${word}`).join(", ") : "No row differs.",
      isCut ? ` among the first ${CHANGES_MAX} changes. All of them: varve diff ${name}@${from} ${name}@${to}` : ""),
    found.length ? scroll(`Changes from version ${from} to ${to}`, "changes", h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Change"), columns.map(column => h("th", { scope: "col" }, column)))),
      h("tbody", {}, found.map(change => h("tr", { className: change.change }, h("td", {}, kinds[change.change]), columns.map(column => {
        const value = change.row[column];
        const differs = change.before && column in change.before;
        return h("td", { className: cellClass(value) + (differs ? " differs" : "") },
          differs ? [h("del", {}, shown(change.before[column])), h("ins", {}, shown(value))] : shown(value));
      })))))) : "",
  ];
}

// Publishing and verifying

function askToPublish(name, about, versions, state) {
  const select = h("select", { id: "publish-version" }, versions.map(version => h("option", { value: version.version }, `${version.version}, ${time(version.timestamp)}`)));
  select.value = state.chosen;
  const force = h("input", { type: "checkbox" }), pin = h("input", { type: "checkbox" }), unpin = h("input", { type: "checkbox", checked: about.publication.startsWith("pinned") });
  const what = h("p", { className: "soft" }), wrong = h("p", { className: "wrong", role: "alert" });
  const tell = () => {
    const wanted = Number(select.value), newest = versions[0]?.version;
    what.textContent = pin.checked ? `Readers stay at version ${wanted} until somebody says otherwise.`
      : wanted === newest ? "Readers follow the newest version from now on."
      : wanted < about.version ? `Readers go back to version ${wanted} and are pinned there.` : `Readers are shown version ${wanted}.`;
  };
  const dialog = h("dialog", { "aria-labelledby": "publish-title" }, h("form", { onsubmit: async event => {
    event.preventDefault();
    try {
      const done = await post(`${place(name)}/publish`, { version: Number(select.value), pin: pin.checked, unpin: unpin.checked, force: force.checked });
      dialog.close();
      say(`Readers of ${name} see version ${done.version}${done.publication === "follow" ? "" : ", " + done.publication}.`);
      dispatchEvent(new Event("hashchange"));
    } catch (error) { wrong.textContent = error.message; }
  } }, h("h2", { id: "publish-title" }, `What readers of ${name} see`), h("p", {}, `Now: version ${about.version}, ${about.publication}.`),
  h("p", {}, h("label", { for: "publish-version" }, "Version "), select),
  h("label", { className: "choice" }, pin, "Pin: stay there, whatever comes"),
  about.publication.startsWith("pinned") ? h("label", { className: "choice" }, unpin, "Let go of the version that is pinned") : null,
  about.publication.startsWith("held") ? h("label", { className: "choice" }, force, "Also if it is not as expected") : null,
  what, wrong, h("p", { className: "buttons" }, h("button", {}, "Publish"), h("button", { type: "button", className: "plain", onclick: () => dialog.close() }, "Cancel"))));
  for (const input of [select, pin]) input.addEventListener("change", tell);
  dialog.addEventListener("close", () => dialog.remove());
  tell();
  document.body.append(dialog);
  dialog.showModal();
}

async function verifyNow(name, button, report) {
  button.disabled = true;
  report.replaceChildren(h("p", { className: "note" }, "Looking at every byte of every version…"));
  try {
    const found = await post(`${place(name)}/verify`, {});
    report.replaceChildren(h("div", { className: "note " + (found.is_whole ? "good" : "bad") },
      h("p", {}, `${found.is_whole ? "Whole" : "Damaged"}: ${counted(found.versions, "version")}, ${counted(found.files, "file")}, ${bytes(found.bytes)} looked at.`),
      found.findings.length ? h("ul", {}, found.findings.map(finding => h("li", {}, `${finding.kind}: ${finding.path} ${finding.what}${finding.is_repairable ? " (varve repair mends it)" : ""}`))) : null));
  } catch (error) { report.replaceChildren(h("p", { className: "note bad" }, error.message)); }
  button.disabled = false;
}

// The other parts

async function rows(body, name, about, versions, state) {
  const select = h("select", { id: "rows-version" }, versions.map(version => h("option", { value: version.version }, version.version)));
  select.value = state.chosen;
  const found_ = h("div", { role: "status" });
  const read = async () => {
    state.chosen = Number(select.value);
    const { found, isCut } = await lines(`${place(name)}/versions/${state.chosen}/rows?limit=${ROWS_MAX + 1}`, ROWS_MAX);
    found_.replaceChildren(h("p", { className: "soft" }, found.length === 0 ? "No rows." : isCut ? `The first ${ROWS_MAX} rows.` : counted(found.length, "row") + "."),
      found.length ? grid(`Rows of version ${state.chosen}`, Object.keys(found[0]), found.map(row => Object.values(row))) : "");
  };
  select.addEventListener("change", read);
  body.replaceChildren(h("p", {}, h("label", { for: "rows-version" }, "Version "), select), found_);
  await read();
}

const holdsNumbers = (rows_, index) => rows_.some(row => typeof row[index] === "number") && rows_.every(row => row[index] === null || typeof row[index] === "number");

/** Columns and rows as a table that scrolls. */
export const grid = (label, columns, rows_) => scroll(label, "rows", h("table", {},
  h("thead", {}, h("tr", {}, columns.map((column, index) => h("th", { scope: "col", className: holdsNumbers(rows_, index) ? "number" : null }, column)))),
  h("tbody", {}, rows_.map(row => h("tr", {}, row.map(value => h("td", { className: cellClass(value) }, shown(value))))))));

const statusOf = { active: "good", stale: "warn", superseded: "" };

async function executions(body, name, about, versions, state) {
  const { executions: all } = await get(`${place(name)}/executions?all=true`);
  if (all.length === 0) return body.replaceChildren(h("p", { className: "note" }, "No execution yet. They come of a stateful merge: varve ingest FILE --into ", name, " --mode stateful-merge --execution 2024-10-01"));
  const check = h("input", { type: "checkbox", checked: state.superseded });
  const current = all.filter(run => run.status !== "superseded"), stale = current.filter(run => run.status === "stale");
  const view = h("div", {});
  const draw = () => {
    state.superseded = check.checked;
    const listed = check.checked ? all : current;
    view.replaceChildren(h("div", { className: "runs", role: "region", tabindex: "0", "aria-label": "Executions in their order" }, runs(listed)),
      scroll("Executions", "executions", h("table", {}, h("thead", {}, h("tr", {}, ["Execution", "State", "Version", "Built on", "From", "When (UTC)"].map(text => h("th", { scope: "col" }, text)),
        ["Added", "Changed", "Removed"].map(text => h("th", { scope: "col", className: "number" }, text)))),
      h("tbody", {}, listed.map(run => h("tr", {}, h("td", { className: "when" }, run.execution), h("td", {}, h("span", { className: "chip " + statusOf[run.status] }, run.status)),
        h("td", {}, run.version), h("td", {}, run.base), h("td", { className: "source" }, run.sources.join(", ")), h("td", { className: "when" }, time(run.committed)),
        ["inserted", "updated", "deleted"].map(key => h("td", { className: "number" }, run.rows[key] ? count(run.rows[key]) : ""))))))));
  };
  check.addEventListener("change", draw);
  body.replaceChildren(
    stale.length ? h("p", { className: "note warn" }, `Stale: ${stale.map(run => run.execution).join(", ")}. They were built on an execution that was corrected since; run them again, in this order.`) : "",
    h("label", { className: "choice" }, check, " superseded runs too"), view);
  draw();
}

const LAID_ASIDE_MAX = 500;

/** Rows that did not fit, cell by cell, and the button that takes those that fit now. */
async function quarantine(body, name) {
  const sql = `SELECT file, sheet, unit, position, "column", rule, raw, reason, version, row FROM "${name}@quarantine" WHERE replayed IS NULL`;
  const found = await post("query", { sql, limit: LAID_ASIDE_MAX });
  if (found.rows.length === 0) return body.replaceChildren(h("p", { className: "note" }, "Nothing is laid aside. Rows that do not fit are, with varve ingest --on-bad-row quarantine."));
  const said = h("div", { role: "status" });
  const button = h("button", { className: "first", onclick: async () => {
    button.disabled = true;
    try {
      const { replays } = await post(`${place(name)}/replay`, {});
      const fit = replays.reduce((sum, replay) => sum + (replay.version === null || replay.outcome !== "committed" ? 0 : replay.rows.inserted + replay.rows.updated + replay.rows.unchanged), 0);
      const waiting = replays.reduce((sum, replay) => sum + replay.waiting, 0);
      say(fit ? `${counted(fit, "row")} fit now; ${waiting} stay.` : `None fits yet; ${waiting} stay.`);
      if (fit) dispatchEvent(new Event("hashchange"));
    } catch (error) { said.replaceChildren(h("p", { className: "note bad" }, error.message)); }
    button.disabled = false;
  } }, "Replay");
  const rows_ = new Set(found.rows.map(row => row.slice(0, 4).join(" ")));
  body.replaceChildren(
    h("div", { className: "head" }, h("p", {}, `${counted(rows_.size, "row")} ${rows_.size === 1 ? "is" : "are"} laid aside${found.is_cut ? ", and more" : ""}. Once columns or expectations are mended, replay takes what fits.`), button), said,
    scroll("Cells that did not fit", "laid-aside", h("table", {}, h("thead", {}, h("tr", {}, ["Where", "Column", "Rule", "Cell", "Why", "Version"].map(text => h("th", { scope: "col" }, text)))),
      h("tbody", {}, found.rows.map(([file, sheet, unit, position, column, rule, raw, reason, version, row]) => h("tr", {},
        h("td", { className: "source", title: typeof row === "string" ? row : JSON.stringify(row) }, [file, sheet, `${unit} ${position}`].filter(Boolean).join(", ")), h("td", { className: "mono" }, column ?? ""),
        h("td", {}, h("span", { className: "chip warn" }, rule ?? "")), h("td", { className: cellClass(raw) }, shown(raw)), h("td", {}, reason ?? ""), h("td", {}, version)))))));
}

async function deliveries(body, name) {
  const { deliveries: found } = await get(`deliveries?limit=50&table=${encodeURIComponent(name)}`);
  body.replaceChildren(found.length ? deliveryList(found, () => deliveries(body, name)) : h("p", { className: "note" }, "Nothing of this table was delivered yet."));
}

function columns(body, name, about) {
  body.replaceChildren(scroll("Columns", "columns", h("table", {}, h("thead", {}, h("tr", {}, ["Column", "Type", "Nulls", "Header in the feed", ""].map(text => h("th", { scope: "col" }, text || h("span", {}, "Role"))))),
    h("tbody", {}, about.columns.map(column => h("tr", {}, h("td", { className: "mono" }, column.name), h("td", {}, column.type), h("td", {}, column.is_nullable ? "may be" : "never"), h("td", {}, column.header ?? ""),
      h("td", {}, about.key.includes(column.name) ? h("span", { className: "chip live" }, "key") : "", about.partition_columns.includes(column.name) ? h("span", { className: "chip" }, "partition") : "")))))));
}
