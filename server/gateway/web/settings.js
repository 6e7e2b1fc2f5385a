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
  const kept = keptVoice();
  const texts = voices.map(({ name, description }) => [name, description].filter(Boolean).join(", "));
  find("voices").replaceChildren(...voices.map(({ name }, i) => new Option(texts[i], name)));
  find("voices").value = (voices.find(({ name }) => name === kept) ?? voices[0])?.name;
  find("voice-choice").hidden = voices.length < 2;
}

/** The link says which; otherwise this browser remembers one. */
function keptVoice() {
  return choicesOf(location.hash).voice ?? localStorage.getItem(VOICE) ?? "";
}

function chosen() {
  const all = Object.fromEntries(NAMES.map((name) => [name, field(name).value]));
  return { ...all, voice: find("voices").value || keptVoice() };
}

/** The part of a session that holds what was chosen. Tools that are no JSON are left out, and the field says so. */
export function chosenSession() {
  const all = chosen();
  try {
    find("choose-tools").setCustomValidity("");
    return sessionOf(all);
  } catch (error) {
    find("choose-tools").setCustomValidity(`This is no JSON: ${error.message}`);
    return sessionOf({ ...all, tools: "" });
  }
}

/** Whether the person says when a turn begins and ends, by holding a key or the circle. */
export function isHeldToTalk() {
  return field("turns").value === "hold";
}

/** How loud the agent is, 0 to 1.5. */
export function loudness() {
  return Number(field("loudness").value);
}

/** Take over what the link says. @param {() => void} changed is called after each choice of the person */
export function openSettings(changed) {
  const given = choicesOf(location.hash);
  for (const name of NAMES) {
    if (given[name] && name !== "voice") field(name).value = given[name];
    field(name).addEventListener("change", () => {
      if (name === "voice") localStorage.setItem(VOICE, field(name).value);
      history.replaceState(null, "", `${location.pathname}${location.search}${hashOf(linked())}`);
      changed(name);
    });
  }
  find("copy-link").addEventListener("click", async () => {
    await copy(`${location.origin}${location.pathname}${hashOf(linked())}`);
    find("link-note").textContent = "Copied: whoever opens it talks with the same settings.";
  });
}

/** What the address shall hold: a voice that is the server's first says nothing. */
function linked() {
  const { options, selectedIndex, value } = find("voices");
  const voice = options.length ? (selectedIndex > 0 ? value : "") : keptVoice();
  return { ...chosen(), voice };
}
