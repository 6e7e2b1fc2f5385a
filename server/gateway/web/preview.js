/** Hear a voice before it is chosen: a short session of its own, without a microphone, in which it answers a greeting. */

import { connect } from "./voice-client.js";

const GREETING = "Hello!";
const MOST_MS = 20_000;

const find = (id) => document.getElementById(id);
let playing = null;

/**
 * A button for each voice of the server's.
 *
 * @param {{name: string}[]} voices
 * @param {() => object} options as `connect` takes them, when it is called
 * @param {() => import("./voice-client.js").VoiceClient | null} talking the client of the conversation, which is deaf meanwhile
 */
export function offerPreviews(voices, options, talking) {
  const buttons = voices.map(({ name }) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "pill", textContent: `▶ ${name}` });
    button.setAttribute("aria-label", `Hear ${name}`);
    button.addEventListener("click", () => play(name, options(), talking()));
    return button;
  });
  find("previews").replaceChildren(...buttons);
}

async function play(name, options, conversation) {
  playing?.close();
  const wasMuted = conversation?.microphone?.isMuted ?? true;
  if (!wasMuted) conversation.mute(true); // or the agent there would hear it
  const say = (text) => (find("preview-note").textContent = text);
  let wasHeard = false;
  let timer = 0;
  const prepare = (client) => {
    playing = client;
    client.addEventListener("problem", ({ detail }) => say(detail.message || "That voice cannot be heard now."));
    client.addEventListener("state", ({ detail: { state } }) => {
      if (state === "speaking") [wasHeard] = [true, say(`${name} speaks.`)];
      else if (state === "listening" && wasHeard) client.close();
      else if (state === "closed") {
        clearTimeout(timer);
        if (wasHeard) say("");
        if (playing === client) playing = null;
        if (!wasMuted) conversation.mute(false);
      }
    });
  };
  say(`${name} is about to speak.`);
  const client = await connect("v1/realtime", { ...options, microphone: false, session: { audio: { output: { voice: name } } }, prepare });
  timer = setTimeout(() => client.close(), MOST_MS);
  client.sendText(GREETING);
}
