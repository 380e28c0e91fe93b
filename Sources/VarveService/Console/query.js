// One SELECT over any versions of any tables.
import { post } from "./api.js";
import { counted, h } from "./dom.js";
import { grid } from "./tables.js";

export async function query(main, state) {
  const text = h("textarea", { id: "sql", spellcheck: "false", autocapitalize: "off" });
  text.value = state.sql ?? "SELECT 1 AS one";
  const limit = h("select", { id: "limit" }, [100, 1000, 10000].map(rows => h("option", { value: rows }, rows.toLocaleString("en"))));
  const answer = h("div", { role: "status" });
  const button = h("button", { className: "first" }, "Run");
  const run = async () => {
    state.sql = text.value;
    button.disabled = true;
    const began = performance.now();
    try {
      const found = await post("query", { sql: text.value, limit: Number(limit.value) });
      answer.replaceChildren(h("p", { className: "soft" }, `${counted(found.rows.length, "row")}${found.is_cut ? ", cut there" : ""}, ${Math.round(performance.now() - began)} ms`),
        grid("Answer", found.columns.map(column => column.name), found.rows));
    } catch (error) { answer.replaceChildren(h("p", { className: "note bad" }, error.message)); }
    button.disabled = false;
  };
  text.addEventListener("keydown", event => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(); }
  });
  main.replaceChildren(h("h1", {}, "Query"), h("p", { className: "soft" }, "SQL as SQLite speaks it. A table at a version is a quoted name: ", h("code", {}, 'SELECT * FROM "products@3"'), "."),
    h("form", { className: "query", onsubmit: event => { event.preventDefault(); run(); } }, h("label", { for: "sql" }, "One SELECT"), text,
      h("p", { className: "buttons" }, button, h("label", { for: "limit" }, "at most"), limit, h("span", { className: "soft" }, "rows; Ctrl + Enter runs it"))), answer);
}
