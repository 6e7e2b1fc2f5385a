/** What the person may choose: devices, and how the server shall listen and answer; a link has all of it. */

import { choicesOf, hashOf, NAMES, sessionOf } from "./choices.js";
import { copy } from "./clipboard.js";
import { Speaker } from "./speaker.js";

const VOICE = "stageflow-voice voice";

const find = (id) => document.getElementById(id);
const field = (name) => find(name === "voice" ? "voices" : `choose-${name}`);

/** Show the devices there are. @param {string} [microphoneId] the one in use */
export async function listDevices(microphoneId) {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  fill(find("microphones"), devices.filter(({ kind }) => kind === "audioinput"), microphoneId);
  fill(find("speakers"), devices.filter(({ kind }) => kind === "audiooutput"));
  find("speaker-choice").hidden = !Speaker.canChoose;
  find("devices-note").hidden = devices.some(({ label }) => label);
}

function fill(select, devices, current) {
  const chosen = current ?? select.value;
  const named = devices.filter(({ deviceId, label }) => label && deviceId !== "default");
  select.replaceChildren(new Option("The usual one", ""), ...named.map((one) => new Option(one.label, one.deviceId)));
  select.value = named.some(({ deviceId }) => deviceId === chosen) ? chosen : "";
}

/** Show the server's voices; one is no choice. @param {{name: string, description: string}[]} voices */
export function offerVoices(voices) {
  const texts = voices.map(({ name, description }) => [name, description].filter(Boolean).join(", "));
  offer(find("voices"), voices.map(({ name }, i) => new Option(texts[i], name)), keptVoice());
  find("voice-choice").hidden = voices.length < 2;
}

/** Show the server's agents; one is no choice. @param {string[]} agents */
export function offerAgents(agents) {
  offer(field("agent"), agents.map((name) => new Option(name)), choicesOf(location.hash).agent);
  find("agent-choice").hidden = agents.length < 2;
}

/** Name the languages that the server understands. @param {string[]} languages */
export function offerLanguages(languages) {
  find("languages").replaceChildren(...languages.map((name) => new Option(name)));
}

function offer(select, options, kept = "") {
  select.replaceChildren(new Option("as the server decides", ""), ...options);
  select.value = options.some(({ value }) => value === kept) ? kept : "";
}

/** The link says which; otherwise this browser remembers one. */
function keptVoice() {
  return choicesOf(location.hash).voice ?? localStorage.getItem(VOICE) ?? "";
}

function chosen() {
  const all = Object.fromEntries(NAMES.map((name) => [name, field(name).value]));
  if (!find("voices").options.length) all.voice = keptVoice(); // not yet known, or no choice
  if (!field("agent").value && field("agent").options.length === 1) all.agent = choicesOf(location.hash).agent ?? "";
  return all;
}

/** The part of a session that holds what was chosen. Tools that are no JSON are left out, and the field says so. */
export function chosenSession(changed) {
  const all = chosen();
  try {
    find("choose-tools").setCustomValidity("");
    return sessionOf(all, changed);
  } catch (error) {
    find("choose-tools").setCustomValidity(`This is no JSON: ${error.message}`);
    return sessionOf({ ...all, tools: "" }, changed);
  }
}

/** Whether the person says when a turn begins and ends, by holding a key or the circle. */
export function isHeldToTalk() {
  return field("turns").value === "hold";
}

/** Where a conversation with the chosen agent is opened. */
export function address() {
  const { agent = "" } = chosen();
  return agent ? `v1/realtime?model=${encodeURIComponent(agent)}` : "v1/realtime";
}

/** How loud the agent is, 0 to 1.5. */
export function loudness() {
  return Number(field("loudness").value);
}

/** Take over what the link says. @param {() => void} changed is called after each choice of the person */
export function openSettings(changed) {
  const given = choicesOf(location.hash);
  for (const name of NAMES) {
    if (given[name] && !["voice", "agent"].includes(name)) field(name).value = given[name];
    field(name).addEventListener("change", () => {
      if (name === "voice") localStorage.setItem(VOICE, field(name).value);
      history.replaceState(null, "", `${location.pathname}${location.search}${hashOf(chosen())}`);
      changed(name);
    });
  }
  for (const name of ["speed", "loudness"]) {
    const tell = () => {
      const told = `${Math.round(field(name).value * 100)} %`;
      find(`told-${name}`).textContent = told;
      field(name).setAttribute("aria-valuetext", told);
    };
    field(name).addEventListener("input", tell);
    tell();
  }
  find("copy-link").addEventListener("click", async () => {
    await copy(`${location.origin}${location.pathname}${hashOf(chosen())}`);
    find("link-note").textContent = "Copied: whoever opens it talks with the same settings.";
  });
}
