// The console: which page is shown, and what the service tells while it is open.
import { follow, get } from "./api.js";
import { h } from "./dom.js";
import { query } from "./query.js";
import { rack, table } from "./tables.js";
import { work } from "./work.js";

const main = document.getElementById("main");
const live = { ingestions: new Map(), deliveries: new Map() };
const queried = {};
let page = {}, turn = 0;

const isOver = state => !["pending", "in_progress", "sending", "planned"].includes(state);

async function listTables() {
  const { tables } = await get("tables");
  const [, name] = place();
  document.getElementById("tables").replaceChildren(...tables.map(item =>
    h("a", { href: `#/tables/${encodeURIComponent(item.name)}`, "aria-current": item.name === name ? "page" : null }, h("span", {}, item.name), h("small", {}, "v" + item.version))));
  queried.sql ??= tables.length ? `SELECT *\nFROM ${tables[0].name}\nLIMIT 100` : undefined;
}

const place = () => location.hash.slice(2).split("/").map(decodeURIComponent);

async function show(isAgain = false) {
  const mine = ++turn;
  const [section, name, part] = place();
  const kept = isAgain || (page.section === section && page.name === name) ? page.state : {};
  page.state?.redraw?.abort();
  page = { section, name, state: kept };
  for (const anchor of document.querySelectorAll(".sections a")) {
    const isHere = anchor.hash === (section === "work" || section === "query" ? `#/${section}` : "#/") && anchor.pathname === location.pathname;
    if (isHere) anchor.setAttribute("aria-current", "page"); else anchor.removeAttribute("aria-current");
  }
  document.title = (name ?? { work: "Work", query: "Query" }[section] ?? "Tables") + " · Varve";
  // Built aside, so that a page that was left meanwhile is not shown.
  const built = document.createElement("div");
  try {
    await listTables();
    if (section === "work") page.work = await work(built, live);
    else if (section === "query") await query(built, queried);
    else if (section === "tables" && name) await table(built, name, part, kept);
    else await rack(built);
  } catch (error) {
    built.replaceChildren(h("h1", {}, "Not shown"), h("p", { className: "note bad" }, error.message));
  }
  if (mine !== turn) return;
  main.replaceChildren(...built.childNodes);
  main.dataset.shown = location.hash || "#/";
  if (!isAgain) scrollTo(0, 0);
}

function told(name, what) {
  if (name === "ingestion" || name === "delivery") {
    const [known, id] = name === "ingestion" ? [live.ingestions, what.ingestion_id] : [live.deliveries, what.delivery_id];
    if (isOver(what.state)) known.delete(id); else known.set(id, what);
    const busy = document.getElementById("busy");
    const count = live.ingestions.size + [...live.deliveries.keys()].filter(id => !live.ingestions.has(id)).length;
    busy.hidden = count === 0;
    busy.textContent = count;
    if (page.section === "work") {
      page.work?.draw();
      if (isOver(what.state)) page.work?.read();
    }
  } else if (name === "version") {
    if (page.section === "tables" && page.name === what.table) {
      if (page.state.chosen === what.version - 1) Object.assign(page.state, { chosen: what.version, from: undefined });
      show(true);
    } else if (!page.section) show(true); else listTables();
  }
}

addEventListener("hashchange", () => show());
await show();
follow("events", told, isLive => {
  const link = document.getElementById("link");
  link.textContent = isLive ? "live" : "not connected";
  link.classList.toggle("live", isLive);
  if (!isLive) { live.ingestions.clear(); live.deliveries.clear(); }
});
