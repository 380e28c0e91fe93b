// The service, asked with the token that this tab holds.

const KEY = "varve.token";
let asking = null;

export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

/** Asks for the token until one is taken; nobody is asked twice at once. */
function askForToken() {
  asking ??= new Promise(resolve => {
    const dialog = document.getElementById("ask");
    const form = document.getElementById("ask-form");
    const input = document.getElementById("token");
    const wrong = document.getElementById("token-wrong");
    dialog.addEventListener("cancel", event => event.preventDefault());
    form.onsubmit = async event => {
      event.preventDefault();
      const token = input.value.trim();
      // A header takes no other characters.
      const answer = /^[!-~]+$/.test(token)
        ? await fetch("/api/v1/tables", { headers: { Authorization: `Bearer ${token}` } }).catch(() => null) : { status: 401 };
      if (!answer || answer.status === 401) {
        wrong.textContent = answer ? "That is not the token." : "The service does not answer.";
        return;
      }
      sessionStorage.setItem(KEY, token);
      wrong.textContent = "";
      input.value = "";
      dialog.close();
      asking = null;
      resolve();
    };
    dialog.showModal();
  });
  return asking;
}

async function ask(method, path, body, signal) {
  for (;;) {
    const headers = {};
    const token = sessionStorage.getItem(KEY);
    if (!token && document.documentElement.dataset.token === "needed") {
      await askForToken();
      continue;
    }
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const answer = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
    if (answer.status === 401) {
      sessionStorage.removeItem(KEY);
      await askForToken();
      continue;
    }
    if (!answer.ok) {
      const said = await answer.json().catch(() => ({}));
      throw new Refused(answer.status, said.error || `the service answered ${answer.status}`);
    }
    return answer;
  }
}

export const get = async path => (await ask("GET", "/api/v1/" + path)).json();
export const post = async (path, body) => (await ask("POST", "/api/v1/" + path, body)).json();

/** The pieces of a streamed answer that stand between separators. */
async function* pieces(answer, separator) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + value).split(separator);
      rest = parts.pop();
      yield* parts;
    }
    if (rest) yield rest;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Lines of JSON, as many as are wanted; what is not read any more is broken off. */
export async function lines(path, max) {
  const found = [];
  const answer = await ask("GET", "/api/v1/" + path);
  for await (const line of pieces(answer, "\n")) {
    if (found.length === max) return { found, isCut: true };
    if (line) found.push(JSON.parse(line));
  }
  return { found, isCut: false };
}

/** Server-sent events, for as long as the service sends any; begins anew when it is back. */
export async function follow(path, onEvent, onState) {
  for (;;) {
    try {
      const answer = await ask("GET", "/api/v1/" + path);
      onState(true);
      for await (const event of pieces(answer, "\n\n")) {
        const fields = Object.fromEntries(event.split("\n").map(line => line.split(/: (.*)/s).slice(0, 2)));
        if (fields.event) onEvent(fields.event, JSON.parse(fields.data));
      }
    } catch { /* It is asked again below. */ }
    onState(false);
    await new Promise(resolve => setTimeout(resolve, 2000));
  }
}
