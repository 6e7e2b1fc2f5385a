/** What the person reads in each state, and what the circle and the microphone's button do then. Pure. */

const STATES = {
  idle: ["Ready when you are", "Press the circle and speak."],
  connecting: ["Connecting", ""],
  stalled: ["The line is silent", "Waiting for the server; nothing you say or type is lost."],
  reconnecting: ["The connection was lost", ""],
  listening: ["Listening", "Just speak."],
  hearing: ["I hear you", ""],
  thinking: ["Thinking", ""],
  speaking: ["Speaking", "Talk over it any time, or press the circle."],
  starved: ["Speaking", "The sound is late; it goes on as soon as it comes."],
  yielding: ["After you", "Go on, or say nothing and it carries on."],
  closed: ["The conversation is over", "Press the circle to begin another."],
};

const NO_MICROPHONE =
  "No microphone here: browsers give one only to pages on https or localhost; scripts/serve --lan serves https. You can type.";

const RESUMING = "Taking the conversation up again; nothing you say or type is lost.";

/** The agent has the floor, or is about to. */
const ANSWERING = new Set(["thinking", "speaking", "starved", "yielding"]);

/** There is no server to talk to, or none that answers. */
const AWAY = new Set(["connecting", "stalled", "reconnecting"]);

/**
 * @param {object} now
 * @param {string} now.state as the client has it, or `idle`
 * @param {"on" | "muted" | "off" | "impossible"} now.microphone
 * @param {{delayMs: number, isResuming: boolean} | null} [now.retry] the newest
 * @param {boolean} [now.isHeld] whether one holds the circle to talk
 * @param {boolean} [now.isAsking] whether this conversation begins with the microphone
 * @returns {{title: string, hint: string}}
 */
export function hintOf({ state, microphone, retry, isAsking, isHeld }) {
  const [title, hint] = STATES[state];
  if (state === "connecting" && isAsking) return { title, hint: "Your browser may ask for the microphone." };
  if (state === "reconnecting" && retry?.isResuming) return { title: "The line was lost", hint: RESUMING };
  if (state === "reconnecting" && retry) {
    return { title, hint: `Trying again in ${Math.max(1, Math.round(retry.delayMs / 1000))} s, for up to a minute.` };
  }
  if (microphone === "impossible" && ["idle", "closed", "listening"].includes(state)) {
    return { title: state === "listening" ? "Ready" : title, hint: NO_MICROPHONE };
  }
  if (state === "listening" && microphone === "off") {
    return { title: "Ready", hint: "Type, or turn the microphone on." };
  }
  if (state === "speaking" && microphone !== "on") return { title, hint: "Press the circle to interrupt." };
  if (isHeld && state === "listening") return { title: "Ready", hint: "Hold the circle, or the space bar, and speak." };
  if (state === "listening" && microphone === "muted") return { title: "Muted", hint: "Unmute the microphone to be heard." };
  return { title, hint };
}

/** Whether there is no line of which anything else could be said. @param {string} state */
export const isLost = (state) => state === "stalled" || state === "reconnecting";

/** What is to be said of the line, if anything. @param {{isSlow: boolean, isSaving: boolean, roundTripMs: number | null}} line */
export function lineOf({ isSlow, isSaving, roundTripMs }) {
  if (!isSlow) return isSaving ? "The line was slow: telephone quality, until it has been good for a while." : "";
  const took = roundTripMs > 1000 ? ` (${(roundTripMs / 1000).toFixed(1)} s there and back)` : "";
  return `The line is slow${took}: speech goes in telephone quality now.`;
}

/** What pressing the circle does; it never ends anything. @returns {"start" | "microphone" | "interrupt" | "none"} */
export function actionOf({ state, microphone }) {
  if (state === "idle" || state === "closed") return "start";
  if (ANSWERING.has(state)) return "interrupt";
  return microphone === "off" && !AWAY.has(state) ? "microphone" : "none";
}

/** What the microphone's button does. @returns {{action: "start" | "microphone" | "mute" | "unmute" | "explain", label: string}} */
export function microphoneKey({ state, microphone }) {
  if (microphone === "impossible") return { action: "explain", label: "No microphone" };
  if (state === "idle" || state === "closed") return { action: "start", label: "Microphone" };
  const keys = {
    on: { action: "mute", label: "Mute" },
    muted: { action: "unmute", label: "Unmute" },
    off: { action: "microphone", label: "Microphone" },
  };
  return keys[microphone];
}
