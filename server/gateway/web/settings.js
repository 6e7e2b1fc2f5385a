/** What the person may choose: microphone, loudspeaker, and the voice that answers, which this browser remembers. */

import { Speaker } from "./speaker.js";

const VOICE = "stageflow-voice voice";

const find = (id) => document.getElementById(id);

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
  const kept = localStorage.getItem(VOICE);
  const texts = voices.map(({ name, description }) => [name, description].filter(Boolean).join(", "));
  find("voices").replaceChildren(...voices.map(({ name }, i) => new Option(texts[i], name)));
  find("voices").value = (voices.find(({ name }) => name === kept) ?? voices[0])?.name;
  find("voice-choice").hidden = voices.length < 2;
}

/** Remember a voice. @returns the part of a session that chooses it */
export function keepVoice(name) {
  localStorage.setItem(VOICE, name);
  return keptVoice();
}

/** The part of a session that chooses the voice that was remembered, if one was. */
export function keptVoice() {
  const voice = localStorage.getItem(VOICE);
  return voice ? { audio: { output: { voice } } } : {};
}
