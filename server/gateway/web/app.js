/** The page to talk on: what the client tells, made visible, and what the person presses, passed on. */

import { actionOf, hintOf } from "./hints.js";
import { hideNotice, isFatalShown, showProblem, solved } from "./notices.js";
import { keepVoice, keptVoice, listDevices, offerVoices } from "./settings.js";
import { Summary } from "./summary.js";
import { Transcript } from "./transcript.js";
import { connect } from "./voice-client.js";
import { barsOf, renderBars } from "./waterfall.js";

const KEY = "stageflow-voice key";
const AGAIN_MS = 600; // a press so soon after another is the other half of a double click
const ORB_LABELS = { start: "Start talking", microphone: "Turn the microphone on", end: "End the conversation" };

const find = (id) => document.getElementById(id);
const orb = find("talk");
const transcript = new Transcript(find("captions"), (text) => {
  if (find("announce").checked) find("announcer").textContent = text;
});
const summary = new Summary();
const levels = { input: 0, output: 0, shown: 0 };
let voice = null; // the client of this conversation
let state = "idle";
let microphone = navigator.mediaDevices ? "off" : "impossible"; // or on, or muted
let retry = null; // the newest, while the server is lost
let pressedAtMs = -Infinity;

// --- what the client tells -----------------------------------------------------------------------------------

const ON = {
  state: (detail) => showState(detail.state),
  caption: (caption) => {
    find("ideas").hidden = true;
    transcript.show(caption);
  },
  interrupted: () => {
    summary.cuts += 1;
    showSummary();
    orb.classList.remove("cut");
    void orb.offsetWidth; // starts the animation again
    orb.classList.add("cut");
  },
  level: ({ input, output }) => {
    if (input !== undefined) levels.input = Math.max(levels.input, input);
    if (output !== undefined) levels.output = Math.max(levels.output, output);
  },
  voices: offerVoices,
  metrics: ({ ms }) => showTurn(ms),
  turn: (turn) => {
    find("turn-note").textContent = noteOf(turn);
  },
  retry: (detail) => {
    if (detail.attempt === 1) transcript.divide("The connection was lost; what comes is a new conversation");
    retry = detail;
    showHint();
  },
  unsent: ({ text }) => {
    find("text").value = `${text} ${find("text").value}`.trim();
  },
  microphone: ({ isOn, isMuted, isHeld, deviceId }) => {
    if (navigator.mediaDevices) microphone = isOn ? (isMuted ? "muted" : "on") : "off";
    find("mute").setAttribute("aria-pressed", isMuted);
    find("mute-label").textContent = isMuted ? "Muted" : "Mute";
    if (isHeld) showProblem("microphone_held", "", false);
    else if (isOn) solved("microphone");
    listDevices(deviceId);
    showControls();
  },
  held: ({ isHeld }) => (isHeld ? showProblem("sound_held", "", false) : solved("sound")),
  problem: ({ code, message, isFatal }) => {
    if (code === "insecure_page" && microphone === "impossible") return; // the hint says it all the time
    showProblem(code, message, isFatal);
    showHint();
  },
};

function showState(now) {
  const wasLost = state === "reconnecting";
  state = now;
  if (now === "closed") {
    voice = null;
    summary.pause();
  } else if (now === "listening") {
    summary.begin();
    if (wasLost || isFatalShown()) hideNotice();
  }
  orb.dataset.state = now;
  find("interrupt").disabled = !["speaking", "yielding", "thinking"].includes(now);
  showControls();
}

/** What can be pressed now. */
function showControls() {
  const action = actionOf({ state, microphone });
  orb.dataset.action = action;
  orb.dataset.muted = microphone !== "on";
  orb.dataset.microphone = microphone;
  find("talk-label").textContent = ORB_LABELS[action];
  find("controls").hidden = voice === null;
  find("mute").hidden = microphone !== "on" && microphone !== "muted";
  find("listen").hidden = action !== "microphone";
  showHint();
}

function showHint() {
  const { title, hint } = hintOf({ state, microphone, retry, isAsking: voice?.options.microphone });
  find("status").textContent = isFatalShown() ? "Not connected" : title;
  find("hint").textContent = isFatalShown() ? "" : hint;
}

function showTurn(ms) {
  const wait = ms.heard ?? ms.first_audio;
  if (wait !== undefined) summary.addTurn(wait);
  const lead = find("turn-lead");
  lead.replaceChildren();
  if (wait !== undefined) {
    const number = document.createElement("b");
    number.textContent = seconds(wait);
    const from = ms.speech_end === undefined ? "from asking" : "from your last word";
    lead.append(number, ms.heard === undefined ? `${from} to its first sound` : `${from} until you heard it`);
  }
  find("waterfall").hidden = false;
  renderBars(find("waterfall").tBodies[0], barsOf(ms));
  showSummary();
}

/** In a sentence, what the server did about the turn. */
function noteOf({ saved_ms, speculated, guard, route }) {
  const notes = [];
  if (speculated && saved_ms > 0) notes.push(`Preparing the answer while you paused saved ${seconds(saved_ms)}.`);
  if (guard === "blocked") notes.push("The guard kept your words from the agent.");
  if (route) notes.push(`Answered by: ${route}.`);
  return notes.join(" ");
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(2)} s`;
}

// --- what the person presses ---------------------------------------------------------------------------------

/** Begin a conversation, by voice or in writing. */
async function start({ byVoice = true } = {}) {
  if (voice) return;
  hideNotice();
  const prepare = (client) => {
    voice = client;
    for (const [type, handle] of Object.entries(ON)) {
      client.addEventListener(type, ({ detail }) => voice === client && handle(detail));
    }
  };
  const chosen = {
    microphoneId: find("microphones").value,
    speakerId: find("speakers").value,
    session: keptVoice(),
    apiKey: sessionStorage.getItem(KEY) ?? "",
  };
  try {
    await connect("v1/realtime", { ...chosen, microphone: byVoice && microphone !== "impossible", prepare });
  } catch (error) {
    const isThere = await fetch("healthz").catch(() => null);
    voice?.close();
    showProblem(isThere ? "failed" : "server_unreachable", error.message, true);
    showHint();
  }
}

/** Whether a press is meant: not the second one of a double click, nor one of a key that is held down. */
function isMeant({ timeStamp }) {
  const isAgain = timeStamp - pressedAtMs < AGAIN_MS;
  pressedAtMs = timeStamp;
  return !isAgain;
}

const ACTIONS = {
  start: () => start(),
  microphone: () => voice?.startMicrophone(find("microphones").value),
  end: () => voice?.close(),
  sound: () => voice?.sound.resume(),
};

orb.addEventListener("click", (press) => isMeant(press) && ACTIONS[orb.dataset.action]());
find("end").addEventListener("click", (press) => isMeant(press) && ACTIONS.end());
find("listen").addEventListener("click", ACTIONS.microphone);
find("mute").addEventListener("click", () => voice?.mute(!voice.microphone?.isMuted));
find("interrupt").addEventListener("click", () => voice?.interrupt());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !find("settings").open) voice?.interrupt();
});

find("notice-action").addEventListener("click", ({ target }) => {
  hideNotice();
  const { action } = target.dataset;
  if (voice) ACTIONS[action]?.();
  else start();
});
find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, find("key").value.trim());
  start();
});

find("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = find("text").value.trim();
  find("text").value = "";
  write(text);
});
for (const idea of find("ideas").querySelectorAll("button")) {
  idea.addEventListener("click", () => find("ideas").hidden || write(idea.textContent));
}

/** Say it in writing; it waits until there is a conversation. */
function write(text) {
  if (!text) return;
  find("ideas").hidden = true;
  if (!voice) start({ byVoice: false });
  voice?.sendText(text);
}

// --- settings ------------------------------------------------------------------------------------------------

find("open-settings").addEventListener("click", () => {
  listDevices(voice?.microphone?.deviceId);
  find("settings").showModal();
});
find("microphones").addEventListener("change", ({ target }) => voice?.startMicrophone(target.value));
find("speakers").addEventListener("change", ({ target }) => voice?.chooseSpeaker(target.value));
find("voices").addEventListener("change", ({ target }) => voice?.configure(keepVoice(target.value)));
navigator.mediaDevices?.addEventListener("devicechange", () => listDevices(voice?.microphone?.deviceId));

// --- what moves ----------------------------------------------------------------------------------------------

/** Loudness from 0 to 1 as it looks: 50 decibels, from a quiet room to a loud voice. */
function visible(level) {
  return level > 0 ? Math.max(0, Math.min(1, 1 + (20 * Math.log10(level) + 8) / 42)) : 0;
}

function frame() {
  const isAgent = state === "speaking" || state === "yielding";
  const target = voice ? visible(isAgent ? levels.output : levels.input) : 0;
  levels.shown += (target - levels.shown) * (target > levels.shown ? 0.5 : 0.12);
  orb.style.setProperty("--level", levels.shown.toFixed(3));
  find("mute").firstElementChild.dataset.bars = Math.ceil(visible(levels.input) * 4);
  levels.input *= 0.8;
  levels.output *= 0.8;
  requestAnimationFrame(frame);
}

function showSummary() {
  find("sum-turns").textContent = summary.turns;
  find("sum-wait").textContent = summary.turns ? seconds(summary.medianMs) : "–";
  find("sum-cuts").textContent = summary.cuts;
  find("sum-time").textContent = summary.time;
}

/** Say plainly what is behind the port. */
async function showParts() {
  const health = await fetch("healthz").then((answer) => answer.json()).catch(() => ({}));
  if (!health.providers) return;
  for (const [role, name] of Object.entries(health.providers)) {
    const place = find(`part-${role}`);
    if (place) place.textContent = name;
  }
  find("parts").hidden = false;
}

showState("idle");
showParts();
listDevices();
setInterval(showSummary, 500);
requestAnimationFrame(frame);
