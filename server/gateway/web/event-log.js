/** All events of a conversation, both ways, to look through, copy and save. */

import { copy } from "./clipboard.js";
import { filtered } from "./event-filter.js";
import { save, sinceBegin } from "./keeping.js";

const find = (id) => document.getElementById(id);
const KEPT = 5000;
const SHOWN = 300;

let events = [];
let frame = 0; // with which the list is shown anew: an answer has hundreds of events

/** @param {import("./voice-client.js").VoiceClient} client */
export function logEvents(client) {
  events = [];
  for (const [type, way] of [["event", "in"], ["sent", "out"]]) {
    client.connection.addEventListener(type, ({ detail }) => note(way, detail));
  }
}

function note(way, event) {
  events.push({ ms: Math.round(sinceBegin()), way, event });
  if (events.length > KEPT) events.shift();
  if (find("events").open) frame ||= requestAnimationFrame(show);
}

/** One event a line, as JSON. */
const asLines = (list) => list.map((one) => JSON.stringify(one)).join("\n") + "\n";

function show() {
  frame = 0;
  const found = filtered(events, find("event-filter").value);
  find("event-count").textContent = `${found.length} of ${events.length}`;
  const open = new Set([...find("event-list").querySelectorAll("details[open]")].map(({ dataset }) => dataset.at));
  find("event-list").replaceChildren(
    ...found.slice(-SHOWN).map((one) => {
      const line = document.createElement("details");
      line.dataset.at = events.indexOf(one);
      line.open = open.has(line.dataset.at);
      line.dataset.way = one.way;
      const title = document.createElement("summary");
      const parts = `${(one.ms / 1000).toFixed(2)}  ${one.way === "in" ? "←" : "→"} ${one.event.type}`.split(/(?<=[a-z][._])/);
      title.append(...parts.flatMap((part) => [part, document.createElement("wbr")])); // where a long name may go on below
      const body = document.createElement("pre");
      body.textContent = JSON.stringify(one.event, null, 1);
      line.append(title, body);
      return line;
    }),
  );
}

find("open-events").addEventListener("click", () => {
  find("events").showModal();
  show();
});
find("event-filter").addEventListener("input", show);
find("event-filter").addEventListener("keydown", (press) => press.key === "Enter" && press.preventDefault());
find("copy-events").addEventListener("click", async () => {
  await copy(asLines(filtered(events, find("event-filter").value)));
  find("event-count").textContent = "Copied.";
});
find("save-events").addEventListener("click", () => save(new Blob([asLines(events)], { type: "application/jsonl" }), "events.jsonl"));
