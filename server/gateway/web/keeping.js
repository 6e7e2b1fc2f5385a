/** Something to keep of a conversation: its words, copied or saved, and both sides' sound. */

import { copy } from "./clipboard.js";
import { Minutes } from "./minutes.js";
import { Recording } from "./recording.js";
import { replayPage } from "./replay.js";

const find = (id) => document.getElementById(id);
const TOLD_MS = 2500;

let recording = new Recording();
let minutes = new Minutes();
let beganMs = 0;
let timer = 0;

const now = () => performance.now() - beganMs;

/** Keep what this client hears and says, from here on. @param {import("./voice-client.js").VoiceClient} client */
export function keep(client) {
  recording = new Recording();
  minutes = new Minutes();
  beganMs = performance.now();
  find("keep").hidden = true;
  client.sound.addEventListener("frame", ({ detail }) => recording.person.append(detail.samples, now()));
  client.sound.addEventListener("report", ({ detail }) => detail.sound && recording.agent.append(detail.sound, now()));
  client.addEventListener("caption", ({ detail }) => {
    minutes.take(detail, now());
    find("keep").hidden = false;
  });
}

/** Both sides' sound of the newest conversation. */
export const recorded = () => recording;

/** Milliseconds since the conversation began, as the recording has them. */
export const sinceBegin = now;

const began = () => new Date(performance.timeOrigin + beganMs).toISOString();
const nameOf = (kind) => `conversation-${began().slice(0, 16).replace(/[T:]/g, "-")}.${kind}`;

const KINDS = {
  "keep-text": async () => save(new Blob([minutes.text], { type: "text/plain" }), nameOf("txt")),
  "keep-json": async () => save(new Blob([minutes.json(began())], { type: "application/json" }), nameOf("json")),
  "keep-sound": async () => save(await recording.wav(), nameOf("wav")),
  "keep-page": async () => {
    const sound = await dataUrl(await recording.wav({ mixed: true }));
    const title = `A conversation of ${began().slice(0, 10)}`;
    save(new Blob([replayPage(minutes.lines, sound, title)], { type: "text/html" }), nameOf("html"));
  },
  "keep-copy": async () => {
    await copy(minutes.text);
    tell("Copied.");
  },
};

for (const [id, save] of Object.entries(KINDS)) {
  find(id).addEventListener("click", () => save().catch((error) => tell(`That did not work: ${error.message}`)));
}

/** @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  tell(`Saved as ${name}.`);
}

function tell(text) {
  find("kept").textContent = text;
  clearTimeout(timer);
  timer = setTimeout(() => (find("kept").textContent = ""), TOLD_MS);
}

function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
