/** The page to talk on: what the client tells, made visible, and what the person presses, passed on. */

import { countTurn, showParts, showSummary, summary } from "./details.js";
import { makeRoom, showDock, showKeyboard } from "./dock.js";
import { actionOf, hintOf, isLost, lineOf } from "./hints.js";
import { keepKey, keptKey, takeKey } from "./link.js";
import { MESSAGES } from "./messages.js";
import { hideNotice, isFatalShown, showProblem, solved } from "./notices.js";
import { Orb } from "./orb.js";
import { offerPreviews } from "./preview.js";
import { keepAwake } from "./phone.js";
import { address, chosenSession, isHeldToTalk, listDevices, loudness, offerAgents, offerLanguages, offerVoices, openSettings } from "./settings.js";
import { showInTab } from "./tab.js";
import { Transcript } from "./transcript.js";
import { askForApproval } from "./approvals.js";
import { logEvents } from "./event-log.js";
import { holdToTalk } from "./push-to-talk.js";
import { explain, showTurnOf } from "./turn-panel.js";
import { connect } from "./voice-client.js";

const AGAIN_MS = 600; // a press so soon after another is the other half of a double click

const find = (id) => document.getElementById(id);
const orb = new Orb(find("talk"), find("talk-label"), find("mic"));
const transcript = new Transcript(find("captions"), {
  announce: (text) => find("announce").checked && announce(text),
  explain: (id) => showTurnOf(id) && find("turn-title").scrollIntoView({ block: "nearest" }),
});
let voice = null; // the client of this conversation
let state = "idle";
let microphone = navigator.mediaDevices ? "off" : "impossible"; // or on, or muted
let retry = null; // the newest, while the server is lost
let pressedAtMs = -Infinity;

// --- what the client tells -----------------------------------------------------------------------------------

const ON = {
  state: (detail) => showState(detail.state),
  caption: (caption) => {
    begin();
    transcript.show(caption);
  },
  interrupted: () => {
    summary.cuts += 1;
    showSummary();
    orb.cut();
  },
  level: (levels) => orb.hear(levels),
  voices: showVoices,
  metrics: ({ ms }) => countTurn(ms),
  line: (line) => tell("line", lineOf(line)),
  anew: () => transcript.divide("The connection was lost; what comes is a new conversation"),
  retry: (detail) => {
    retry = detail;
    show();
  },
  unsent: ({ text }) => {
    showKeyboard(true);
    find("text").value = `${text} ${find("text").value}`.trim();
  },
  microphone: ({ isOn, isMuted, isHeld, deviceId }) => {
    if (navigator.mediaDevices) microphone = isOn ? (isMuted ? "muted" : "on") : "off";
    if (isHeld) showProblem("microphone_held", "", false);
    else if (isOn) solved("microphone");
    listDevices(deviceId);
    show();
  },
  held: ({ isHeld }) => (isHeld ? showProblem("sound_held", "", false) : solved("sound")),
  problem: ({ code, message, isFatal }) => {
    if (code === "insecure_page" && microphone === "impossible") return; // the hint says it all the time
    showProblem(code, message, isFatal);
    if (MESSAGES[code]?.action === "microphone") showKeyboard(true); // it says that one can type
    show();
  },
};

/** Have screen readers say so. */
function announce(text) {
  find("announcer").textContent = text;
}

/** Show it, once: what is written again is read out again. */
function tell(id, text) {
  if (find(id).textContent !== text) find(id).textContent = text;
}

function showState(now) {
  const wasLost = state === "reconnecting";
  if (now !== "closed" && isLost(now) !== isLost(state) && !find("say-status").checked) {
    announce(isLost(now) ? "The line is lost" : "The line is back"); // no mere state: nobody is heard meanwhile
  }
  state = now;
  keepAwake(!["idle", "closed"].includes(now));
  if (now === "closed") {
    tell("line", "");
    voice = null;
    summary.pause();
  } else if (now === "listening") {
    summary.begin();
    if (wasLost || isFatalShown()) hideNotice();
  }
  show();
}

/** What there is to read, and what can be pressed now. */
function show() {
  const { title, hint } = hintOf({ state, microphone, retry, isAsking: voice?.options.microphone, isHeld: isHeldToTalk() });
  const isOff = isFatalShown();
  tell("status", isOff ? "Not connected" : title);
  tell("hint", isOff ? "" : hint);
  find("line").hidden = isLost(state);
  orb.show({ state, microphone, action: actionOf({ state, microphone }) });
  showDock({ state, microphone, isLive: voice !== null });
  showInTab(state, isOff ? "Not connected" : title);
}

/** The first thing has been said: the circle makes room for the conversation. */
function begin() {
  find("ideas").hidden = true;
  find("talking").dataset.begun = "";
}

// --- what the person presses ---------------------------------------------------------------------------------

/** Begin a conversation, by voice or in writing. */
async function start({ byVoice = true } = {}) {
  if (voice) return;
  hideNotice();
  if (byVoice && microphone !== "impossible") makeRoom();
  const prepare = (client) => {
    voice = client;
    explain(client);
    logEvents(client);
    askForApproval(client, (card) => {
      transcript.insert(card);
      announce(card.firstChild.textContent);
    });
    for (const [type, handle] of Object.entries(ON)) {
      client.addEventListener(type, ({ detail }) => voice === client && handle(detail));
    }
  };
  const chosen = {
    microphoneId: find("microphones").value,
    speakerId: find("speakers").value,
    session: chosenSession(),
    apiKey: keptKey(),
  };
  try {
    await connect(address(), { ...chosen, microphone: byVoice && microphone !== "impossible", prepare });
    voice?.speaker?.turn(loudness());
    if (isHeldToTalk()) voice?.mute(true);
  } catch (error) {
    const isThere = await fetch("healthz").catch(() => null);
    voice?.close();
    showProblem(isThere ? "failed" : "server_unreachable", error.message, true);
    show();
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
  interrupt: () => voice?.interrupt(),
  none: () => {},
  mute: () => voice?.mute(true),
  unmute: () => voice?.mute(false),
  explain: () => showProblem("insecure_page", "", false),
  sound: () => voice?.sound.resume(),
};

find("talk").addEventListener("click", (press) => isMeant(press) && ACTIONS[find("talk").dataset.action]());
find("mic").addEventListener("click", (press) => isMeant(press) && ACTIONS[find("mic").dataset.action]());
find("end").addEventListener("click", () => voice?.close());
const KEYS = {
  Escape: () => voice?.interrupt(),
  m: () => ["mute", "unmute"].includes(find("mic").dataset.action) && ACTIONS[find("mic").dataset.action](),
  t: () => showKeyboard(true, { focus: true }),
  "?": () => find("keys").showModal(),
};
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, textarea, select") && event.key !== "Escape";
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (!KEYS[event.key]) return;
  event.preventDefault(); // or the letter would stand in the field that it shows
  KEYS[event.key]();
});
find("say-status").addEventListener("change", ({ target }) => {
  for (const id of ["status", "line"]) find(id).setAttribute("aria-live", target.checked ? "polite" : "off");
});

find("notice-action").addEventListener("click", ({ target }) => {
  hideNotice();
  const { action } = target.dataset;
  if (voice) ACTIONS[action]?.();
  else start();
});
find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(find("key").value);
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
  begin();
  if (!voice) start({ byVoice: false });
  voice?.sendText(text);
}

// --- settings ------------------------------------------------------------------------------------------------

for (const [button, dialog] of [["open-settings", "settings"], ["devices", "device-choice"]]) {
  find(button).addEventListener("click", () => {
    listDevices(voice?.microphone?.deviceId);
    find(dialog).showModal();
  });
}
find("open-keys").addEventListener("click", KEYS["?"]);
find("microphones").addEventListener("change", ({ target }) => voice?.startMicrophone(target.value));
find("speakers").addEventListener("change", ({ target }) => voice?.chooseSpeaker(target.value));

function showVoices(voices) {
  offerVoices(voices);
  offerPreviews(voices, () => ({ apiKey: keptKey(), speakerId: find("speakers").value }), () => voice);
}

/** What there is to choose from, before anything has begun. */
async function showOffers() {
  const { agents = [], voices = [], languages = [] } = await showParts();
  offerAgents(agents);
  offerLanguages(languages);
  if (!voice) showVoices(voices); // otherwise the session has told
}

openSettings((name) => {
  if (name === "loudness") voice?.speaker?.turn(loudness());
  else if (name !== "agent") voice?.configure(chosenSession(name));
  if (name === "turns") voice?.mute(isHeldToTalk());
});
holdToTalk(find("talk"), () => (isHeldToTalk() && microphone !== "off" ? voice : null));
navigator.mediaDevices?.addEventListener("devicechange", () => listDevices(voice?.microphone?.deviceId));

takeKey();
addEventListener("hashchange", takeKey);
show();
showOffers();
listDevices();
setInterval(showSummary, 500);
