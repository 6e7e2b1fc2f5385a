/** What the person reads in each state: a title, and what they can do. Pure. */

const STATES = {
  idle: ["Ready when you are", "Press the circle and speak."],
  connecting: ["Connecting", ""],
  stalled: ["The line is silent", "Waiting for the server."],
  reconnecting: ["The connection was lost", ""],
  listening: ["Listening", "Just speak."],
  hearing: ["I hear you", ""],
  thinking: ["Thinking", ""],
  speaking: ["Speaking", "Talk over it any time."],
  yielding: ["After you", "Go on, or say nothing and it carries on."],
  closed: ["The conversation is over", "Press the circle to begin another."],
};

const NO_MICROPHONE = "No microphone here: browsers give one only to pages on https or localhost. Type below.";

/**
 * @param {object} now
 * @param {string} now.state as the client has it, or `idle`
 * @param {"on" | "muted" | "off" | "impossible"} now.microphone
 * @param {{delayMs: number} | null} [now.retry] the newest
 * @param {boolean} [now.isAsking] whether this conversation begins with the microphone
 * @returns {{title: string, hint: string}}
 */
export function hintOf({ state, microphone, retry, isAsking }) {
  const [title, hint] = STATES[state];
  if (state === "connecting" && isAsking) return { title, hint: "Your browser may ask for the microphone." };
  if (state === "reconnecting" && retry) {
    return { title, hint: `Trying again in ${Math.max(1, Math.round(retry.delayMs / 1000))} s, for up to a minute.` };
  }
  if (microphone === "impossible" && ["idle", "closed", "listening"].includes(state)) {
    return { title: state === "listening" ? "Ready" : title, hint: NO_MICROPHONE };
  }
  if (state === "listening" && microphone === "off") {
    return { title: "Ready", hint: "Type below, or turn the microphone on." };
  }
  if (state === "speaking" && microphone !== "on") return { title, hint: "" };
  if (state === "listening" && microphone === "muted") return { title, hint: "You are muted." };
  return { title, hint };
}

/** What pressing the circle does. @returns {"start" | "microphone" | "end"} */
export function actionOf({ state, microphone }) {
  if (state === "idle" || state === "closed") return "start";
  return microphone === "off" && !["connecting", "stalled", "reconnecting"].includes(state) ? "microphone" : "end";
}
