// What is under way, what was given up, and what went where.
import { get, post } from "./api.js";
import { ago, count, counted, h, say, scroll, short, time } from "./dom.js";
import { chunks } from "./strata.js";

const chipOf = { pending: "live", in_progress: "live", sending: "live", planned: "live", done: "good", complete: "good", failed: "warn", incomplete: "warn", stopped: "bad", dead: "bad" };
const chip = state => h("span", { className: "chip " + (chipOf[state] ?? "") }, state.replace("_", " "));

/** A bar that says what it shows. */
function bar(label, value, max) {
  const element = h("progress", { "aria-label": label });
  if (max > 0) { element.max = max; element.value = Math.min(value, max); }
  return element;
}

function job(ingestion) {
  const progress = ingestion.progress;
  const isSending = progress?.phase === "delivering";
  return h("article", { className: "job", "data-id": ingestion.ingestion_id },
    h("div", { className: "head" }, h("div", {}, h("b", {}, ingestion.sources.join(", ") || short(ingestion.ingestion_id)), " into ", h("a", { href: `#/tables/${encodeURIComponent(ingestion.table)}` }, ingestion.table)),
      h("div", {}, chip(ingestion.state))),
    progress ? bar(`Progress of ${ingestion.sources.join(", ")}`, isSending ? progress.records_acknowledged : progress.bytes_read, isSending ? progress.records : progress.bytes) : "",
    h("div", { className: "soft" }, progress ? isSending
      ? `${count(progress.records_acknowledged)}${progress.records ? ` of ${count(progress.records)}` : ""} records acknowledged`
      : `${progress.phase}, ${counted(progress.rows, "row")}` : ingestion.state === "pending" ? "waits for its turn" : "",
    progress?.waiting ? `; the receiver: ${progress.waiting}` : ""));
}

function letter(ingestion, onDone) {
  const button = h("button", { onclick: async () => {
    button.disabled = true;
    try {
      await post(`ingestions/${ingestion.ingestion_id}/requeue`, {});
      say(`${ingestion.sources.join(", ") || "The ingestion"} is tried again.`);
      await onDone();
    } catch (error) { say(error.message); button.disabled = false; }
  } }, "Try again");
  return h("article", { className: "job" }, h("div", { className: "head" },
    h("div", {}, h("b", {}, ingestion.sources.join(", ") || short(ingestion.ingestion_id)), " into ", h("a", { href: `#/tables/${encodeURIComponent(ingestion.table)}` }, ingestion.table), " ", chip(ingestion.state)), button),
  h("p", {}, ingestion.error ?? ""), h("p", { className: "soft" }, `${counted(ingestion.attempts, "attempt")}, ${ago(ingestion.ended ?? ingestion.noted)}`,
    ingestion.next_try ? `, next try ${time(ingestion.next_try)} UTC` : "", `, ${short(ingestion.ingestion_id)}`));
}

/** Lets a delivery go on that stopped, and calls `onDone` when it has come to an end again. */
function resumption(delivery, onDone) {
  const name = `${delivery.table}@${delivery.version}`;
  const button = h("button", { "aria-label": `Resume ${name} to ${delivery.target}`, onclick: async () => {
    button.disabled = true;
    try {
      await post(`deliveries/${delivery.delivery_id}/resume`, {});
      say(`${name} to ${delivery.target} goes on.`);
      // It may be over before an event could tell of it.
      for (let pause = 300; button.isConnected; pause = Math.min(pause * 1.5, 5000)) {
        await new Promise(resolve => setTimeout(resolve, pause));
        const now = await get(`deliveries/${delivery.delivery_id}`);
        if (now.attempts > delivery.attempts && now.state !== "sending") break;
      }
      if (button.isConnected) await onDone();
    } catch (error) { say(error.message); button.disabled = false; }
  } }, "Resume");
  return button;
}

/** Deliveries, each to be opened for its chunks; those that stopped can be resumed. */
export function deliveryList(deliveries, onDone) {
  return h("div", {}, deliveries.map(delivery => {
    const inside = h("div", {});
    const box = h("details", {}, h("summary", {}, h("b", {}, `${delivery.table}@${delivery.version}`),
      delivery.since !== null ? ` since ${delivery.since}` : "", " to ", h("span", { className: "source" }, delivery.target), " ", chip(delivery.state), " ",
      h("span", { className: "soft" }, `${counted(delivery.records, "record")}${delivery.proven ? `, ${count(delivery.proven)} proven` : ""}${delivery.dead ? `, ${count(delivery.dead)} given up` : ""} in ${counted(delivery.chunks, "chunk")}, ${ago(delivery.ended ?? delivery.started)}`)), inside);
    box.addEventListener("toggle", async () => {
      if (!box.open) return;
      const whole = await get(`deliveries/${delivery.delivery_id}`);
      const dead = whole.dead_letters, failed = whole.chunk_list.filter(chunk => chunk.error);
      inside.replaceChildren(h("div", { className: "chunks runs", role: "region", tabindex: "0", "aria-label": "Chunks" }, chunks(whole.chunk_list)),
        h("p", { className: "soft" }, `${whole.chunking}, ${counted(whole.attempts, "attempt")}, ${whole.delivery_id}`),
        dead.length ? h("div", {}, h("h3", {}, `${counted(whole.dead, "record")} given up`), h("ul", {}, dead.slice(0, 20).map(letter => h("li", {}, h("code", {}, letter.key), ": ", letter.reason)))) : "",
        failed.length ? h("ul", {}, failed.slice(0, 20).map(chunk => h("li", {}, `chunk ${chunk.number}: ${chunk.error}`))) : "");
    });
    return h("article", { className: "job", "data-delivery": delivery.delivery_id }, h("div", { className: "head" }, box,
      onDone && ["stopped", "incomplete"].includes(delivery.state) ? resumption(delivery, onDone) : ""), delivery.error ? h("p", {}, delivery.error) : "");
  }));
}

/** The page. What comes as events moves the part that is under way; how something ended, all of it. */
export async function work(main, live) {
  const running = h("div", {}), given = h("div", {}), sent = h("div", {}), past = h("div", {});
  const draw = () => {
    const now = [...live.ingestions.values()], going = [...live.deliveries.values()].filter(delivery => !live.ingestions.has(delivery.delivery_id));
    running.replaceChildren(...now.map(job), going.length ? deliveryList(going) : "", now.length + going.length ? "" : h("p", { className: "soft" }, "Nothing is under way."));
  };
  const read = async () => {
    const [{ ingestions: dead }, { ingestions: failed }, { deliveries }, { ingestions }] = await Promise.all([
      get("dead-letters?limit=50"), get("ingestions?state=failed&limit=50"), get("deliveries?limit=30"), get("ingestions?limit=30")]);
    const letters = [...dead, ...failed];
    given.replaceChildren(...letters.map(ingestion => letter(ingestion, read)), letters.length ? "" : h("p", { className: "soft" }, "Nothing was given up."));
    sent.replaceChildren(deliveries.length ? deliveryList(deliveries, read) : h("p", { className: "soft" }, "Nothing was delivered yet."));
    past.replaceChildren(ingestions.length ? scroll("Ingestions, newest first", "ingestions", h("table", {}, h("thead", {}, h("tr", {}, ["File", "Table", "State", "Version", "Sent", "When (UTC)"].map(text => h("th", { scope: "col" }, text)))),
      h("tbody", {}, ingestions.map(ingestion => h("tr", {}, h("td", { className: "source" }, ingestion.sources.join(", ")), h("td", {}, h("a", { href: `#/tables/${encodeURIComponent(ingestion.table)}` }, ingestion.table)), h("td", {}, chip(ingestion.state)),
        h("td", {}, ingestion.version ?? ""), h("td", {}, ingestion.records_acknowledged ? count(ingestion.records_acknowledged) : ""), h("td", { className: "when" }, time(ingestion.ended ?? ingestion.started ?? ingestion.noted)))))))
      : h("p", { className: "soft" }, "No file came over HTTP yet."));
  };
  main.replaceChildren(h("h1", {}, "Work"), h("h2", {}, "Under way"), running, h("h2", {}, "Given up"), given, h("h2", {}, "Deliveries"), sent, h("h2", {}, "Ingestions"), past);
  draw();
  await read();
  return { draw, read };
}
