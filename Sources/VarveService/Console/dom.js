// Elements, and how numbers and times are said.

/** Makes an element; children that are null or false are left out, anything else becomes a node or a text. */
export function h(name, properties, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key === "className" ? "class" : key, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

export function svg(name, properties, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children.flat(9).filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

const numbers = new Intl.NumberFormat("en");
export const count = value => value === null || value === undefined ? "?" : numbers.format(value);
export const counted = (value, one, many = one + "s") => `${count(value)} ${value === 1 ? one : many}`;

export function bytes(value) {
  if (value < 1000) return `${value} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let unit = -1;
  while (value >= 1000) { value /= 1000; unit += 1; }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** `2024-10-06 12:00`, as it was written: UTC. */
export const time = text => text ? text.slice(0, 16).replace("T", " ") : "";

export function ago(text) {
  const seconds = (Date.now() - Date.parse(text)) / 1000;
  if (!(seconds >= 0) || seconds > 86400 * 30) return time(text);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return counted(Math.floor(seconds / 86400), "day") + " ago";
}

export const short = id => id.length > 16 ? id.slice(0, 12) + "…" : id;

/** A value of a row as it is shown in a cell. */
export function shown(value) {
  if (value === null || value === undefined) return h("span", { className: "null" }, "null");
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

export const cellClass = value => "value" + (typeof value === "number" ? " number" : "") + (String(shown(value)).length > 44 ? " long" : "");

/** Says something that has just happened, for a while. */
export function say(text) {
  const place = document.getElementById("said");
  const line = h("p", {}, text);
  place.append(line);
  setTimeout(() => line.remove(), 6000);
}

/** A region that may scroll, reachable by keyboard. */
export const scroll = (label, className, ...children) =>
  h("div", { className: `scroll ${className}`, role: "region", "aria-label": label, tabindex: "0" }, ...children);
