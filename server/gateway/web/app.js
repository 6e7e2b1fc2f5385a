/** The page to talk on: what the client tells, made visible, and what the person presses, passed on. */

import { MESSAGES } from "./messages.js";
import { keepVoice, keptVoice, listDevices, offerVoices } from "./settings.js";
import { Summary } from "./summary.js";
import { Transcript } from "./transcript.js";
import { connect } from "./voice-client.js";
import { barsOf, renderBars } from "./waterfall.js";

const KEY = "stageflow-voice key";
const SHOWN_PROBLEM_MS = 6000;

/** What the person reads in each state: title, and what they can do. */
const STATES = {
  idle: ["Ready when you are", "Press the circle and speak."],
  connecting: ["Connecting", "Your browser may ask for the microphone."],
  reconnecting: ["The connection was lost", "Trying again."],
  listening: ["Listening", "Just speak."],
  hearing: ["I hear you", ""],
  thinking: ["Thinking", ""],
  speaking: ["Speaking", "Talk over it any time."],
  yielding: ["After you", "Go on, or say nothing and it carries on."],
  closed: ["The conversation is over", "Press the circle to begin another."],
};

const find = (id) => document.getElementById(id);
const orb = find("talk");
const transcript = new Transcript(find("captions"), (text) => {
  if (find("announce").checked) find("announcer").textContent = text;
});
const summary = new Summary();
const levels = { input: 0, output: 0, shown: 0 };
let voice = null; // the client of this conversation
let state = "idle";
let isMicrophoneOn = false;
let noticeTimer = 0;

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
  retry: ({ attempt, delayMs }) => {
    if (attempt === 1) transcript.divide("The connection was lost; what comes is a new conversation");
    find("hint").textContent = `Trying again in ${Math.max(1, Math.round(delayMs / 1000))} s.`;
  },
  microphone: (microphone) => {
    isMicrophoneOn = microphone.isOn;
    orb.dataset.muted = microphone.isMuted || !microphone.isOn;
    find("mute").setAttribute("aria-pressed", microphone.isMuted);
    find("mute-label").textContent = microphone.isMuted ? "Muted" : "Mute";
    find("mute").hidden = !microphone.isOn;
    if (microphone.isOn && MICROPHONE_PROBLEMS.has(find("notice").dataset.code)) hideNotice();
    listDevices(microphone.deviceId);
    showHint();
  },
  problem: ({ code, message, isFatal }) => showProblem(code, message, isFatal),
};

const MICROPHONE_PROBLEMS = new Set(Object.keys(MESSAGES).filter((code) => MESSAGES[code].action === "microphone"));

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
  const isLive = voice !== null;
  orb.dataset.state = now;
  orb.dataset.live = isLive;
  find("talk-label").textContent = isLive ? "End the conversation" : "Start talking";
  if (!isFatalShown()) find("status").textContent = STATES[now][0];
  find("controls").hidden = !isLive || now === "connecting";
  find("interrupt").disabled = !["speaking", "yielding", "thinking"].includes(now);
  showHint();
}

function showHint() {
  if (state === "reconnecting" || isFatalShown()) return;
  const isDeaf = state === "listening" && orb.dataset.muted === "true";
  const deaf = isMicrophoneOn ? "You are muted." : "The microphone is off: type below.";
  find("hint").textContent = isDeaf ? deaf : STATES[state][1];
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

// --- notices -------------------------------------------------------------------------------------------------

function showProblem(code, detail, isFatal) {
  const { title, text, action } = MESSAGES[code] ?? MESSAGES.server_error;
  clearTimeout(noticeTimer);
  const notice = find("notice");
  notice.dataset.code = code;
  notice.dataset.fatal = isFatal;
  find("notice-title").textContent = title;
  find("notice-text").textContent = text || detail;
  find("key-form").hidden = action !== "key";
  find("notice-action").hidden = !action || action === "key";
  find("notice-action").textContent = "Try again";
  find("notice-action").dataset.action = action ?? "";
  notice.hidden = false;
  if (isFatal) {
    find("status").textContent = "Not connected";
    find("hint").textContent = "";
  }
  if (action === "key") find("key").focus();
  if (!action && !isFatal) noticeTimer = setTimeout(hideNotice, SHOWN_PROBLEM_MS);
}

function hideNotice() {
  find("notice").hidden = true;
}

function isFatalShown() {
  return !find("notice").hidden && find("notice").dataset.fatal === "true";
}

// --- what the person presses ---------------------------------------------------------------------------------

/** Begin a conversation, by voice or in writing. */
async function start({ microphone = true } = {}) {
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
    await connect("v1/realtime", { ...chosen, microphone, prepare });
  } catch (error) {
    const isThere = await fetch("healthz").catch(() => null);
    voice?.close();
    showProblem(isThere ? "failed" : "server_unreachable", error.message, true);
  }
}

orb.addEventListener("click", () => (voice ? voice.close() : start()));
find("mute").addEventListener("click", () => voice?.mute(!voice.microphone?.isMuted));
find("interrupt").addEventListener("click", () => voice?.interrupt());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !find("settings").open) voice?.interrupt();
});

find("notice-action").addEventListener("click", ({ target }) => {
  hideNotice();
  if (target.dataset.action === "microphone" && voice) voice.startMicrophone(find("microphones").value);
  else if (!voice) start();
});
find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, find("key").value.trim());
  start();
});

find("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  write(find("text").value.trim());
  find("text").value = "";
});
for (const idea of find("ideas").querySelectorAll("button")) {
  idea.addEventListener("click", () => write(idea.textContent));
}

/** Say it in writing, as soon as there is a conversation. */
async function write(text) {
  if (!text) return;
  if (!voice) await start({ microphone: false });
  const client = voice;
  if (!client) return;
  if (client.link === "open") return client.sendText(text);
  const send = ({ detail }) => {
    if (detail.state !== "listening") return;
    client.removeEventListener("state", send);
    client.sendText(text);
  };
  client.addEventListener("state", send);
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
