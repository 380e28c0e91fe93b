internal import VarveJSON

/// `/docs`: one page that holds the document it shows, and loads nothing from anywhere.
enum DocumentationPage {
  /// Nothing but what stands in the page, and requests to this service.
  static let policy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

  static var html: String {
    // `<` would end the script early.
    let document = OpenAPI.document(allRoutes).text().split(separator: "<", omittingEmptySubsequences: false)
      .joined(separator: "\\u003c")
    return head + document + tail
  }

  private static let head = #"""
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Varve: the service</title>
    <link rel="icon" href="data:,">
    <style>
    :root { color-scheme: light dark; --ink: #23201b; --soft: #655f55; --line: #e3ddd2; --paper: #faf8f4;
      --panel: #fffefb; --edge: #655f55; --water: #17566f; --on-water: #fff; --go: #2d6348; --send: #8a4600; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e9e5dc; --soft: #a8a195; --line: #2f333a; --paper: #141619;
      --panel: #1a1d21; --edge: #a8a195; --water: #86c5dd; --on-water: #0d1b21; --go: #8fd0ab; --send: #f0b46a; } }
    * { box-sizing: border-box; }
    body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
    a { color: var(--water); }
    header { padding: 24px max(24px, calc(50% - 440px)) 4px; }
    header h1 { margin: 0; font: 30px/1.15 "Palatino Linotype", Palatino, "DejaVu Serif", Georgia, serif; }
    header p { margin: 4px 0 14px; color: var(--soft); }
    header label { font-size: 13px; color: var(--soft); }
    header input { width: 100%; max-width: 640px; display: block; margin-top: 4px; }
    main { max-width: 928px; margin: 24px auto; padding: 0 24px; }
    details { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; margin: 8px 0; }
    summary { cursor: pointer; padding: 10px 14px; display: flex; gap: 12px; align-items: baseline; flex-wrap: wrap; }
    summary b { width: 48px; font-size: 13px; color: var(--go); }
    summary b.post { color: var(--send); }
    code, pre, textarea, input { font: 13px/1.5 ui-monospace, monospace; }
    summary span { color: var(--soft); margin-left: auto; }
    .inside { border-top: 1px solid var(--line); padding: 12px 14px; }
    .row { display: grid; grid-template-columns: minmax(0, 180px) minmax(0, 1fr); gap: 4px 12px; margin: 8px 0; align-items: start; }
    .row small { grid-column: 2; color: var(--soft); }
    input, textarea { padding: 6px 8px; border: 1px solid var(--edge); border-radius: 4px; width: 100%;
      background: var(--panel); color: var(--ink); }
    code { overflow-wrap: anywhere; min-width: 0; }
    textarea { min-height: 130px; }
    button { padding: 7px 18px; border: 0; border-radius: 4px; background: var(--water); color: var(--on-water);
      cursor: pointer; }
    pre { background: #0f1c28; color: #dce7f0; padding: 12px; border-radius: 4px; overflow: auto; max-height: 420px;
      white-space: pre-wrap; overflow-wrap: anywhere; }
    @media (max-width: 640px) { main { padding: 0 12px; } .row { grid-template-columns: minmax(0, 1fr); }
      .row small { grid-column: 1; } summary span { margin-left: 0; width: 100%; } }
    .codes { color: var(--soft); font-size: 13px; }
    </style>
    </head>
    <body>
    <header><h1>Varve</h1><p><span id="what"></span> <a href="/">The console</a></p>
    <label>Bearer token, from the file varve.token in the warehouse
    <input id="token" type="password" autocomplete="off" spellcheck="false"></label></header>
    <main id="routes"></main>
    <script>
    "use strict";
    const document_ =
    """#

  private static let tail = #"""
    ;
    const make = (name, text, parent, kind) => {
      const element = document.createElement(name);
      if (text) element.textContent = text;
      if (kind) element.className = kind;
      if (parent) parent.append(element);
      return element;
    };
    const token = document.getElementById("token");
    document.getElementById("what").textContent = document_.info.description + " Version " + document_.info.version + ".";
    const sample = schema => {
      const value = {};
      for (const [name, part] of Object.entries(schema.properties || {})) {
        const types = [].concat(part.type);
        value[name] = types.includes("integer") ? (name === "chunk_size_by_memory" ? 0 : 100)
          : types.includes("boolean") ? false : "";
      }
      return JSON.stringify(value, null, 2);
    };
    for (const [path, item] of Object.entries(document_.paths)) for (const [method, route] of Object.entries(item)) {
      const box = make("details", "", document.getElementById("routes"));
      const head = make("summary", "", box);
      make("b", method.toUpperCase(), head, method);
      make("code", path, head);
      make("span", route.summary, head);
      const inside = make("div", "", box, "inside");
      if (route.description) make("p", route.description, inside);
      const fields = [];
      for (const part of route.parameters) {
        const row = make("div", "", inside, "row");
        make("code", part.name, row);
        const input = make("input", "", row);
        input.setAttribute("aria-label", part.name);
        input.placeholder = part.in;
        make("small", part.description, row);
        fields.push([part, input]);
      }
      let body = null;
      if (route.requestBody) {
        const row = make("div", "", inside, "row");
        make("code", "body", row);
        body = make("textarea", "", row);
        body.setAttribute("aria-label", "body");
        body.value = sample(route.requestBody.content["application/json"].schema);
      }
      const answers = Object.entries(route.responses).map(([code, answer]) => code + " " + answer.description);
      const button = make("button", "Try it", inside);
      const shown = make("pre", "", inside);
      shown.tabIndex = 0;
      shown.setAttribute("role", "region");
      shown.setAttribute("aria-label", "Answer");
      shown.hidden = true;
      make("p", answers.join("  ·  "), inside, "codes");
      button.onclick = async () => {
        let url = path;
        const query = new URLSearchParams();
        const headers = {};
        if (token.value) headers.Authorization = "Bearer " + token.value.trim();
        for (const [part, input] of fields) {
          if (part.in === "path") url = url.replace("{" + part.name + "}", encodeURIComponent(input.value));
          else if (input.value && part.in === "query") query.set(part.name, input.value);
          else if (input.value) headers[part.name] = input.value;
        }
        if (query.size) url += "?" + query;
        if (body) headers["Content-Type"] = "application/json";
        shown.hidden = false;
        shown.textContent = "…";
        try {
          const answer = await fetch(url, { method: method.toUpperCase(), headers, body: body ? body.value : undefined });
          shown.textContent = answer.status + " " + answer.statusText + "\n";
          const reader = answer.body.getReader();
          const decoder = new TextDecoder();
          for (let part = await reader.read(); !part.done; part = await reader.read()) {
            if (shown.textContent.length > 200000) { await reader.cancel(); shown.append("\n…"); break; }
            shown.append(decoder.decode(part.value, { stream: true }));
          }
        } catch (error) { shown.textContent = "No answer: " + error.message; }
      };
    }
    </script>
    </body>
    </html>
    """#
}
