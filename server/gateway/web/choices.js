/** What a person may choose of a session, as fields, as a part of Realtime's session object, and as a link. Pure. */

/** Each choice as the link has it. Empty: the server's own. */
export const NAMES = ["agent", "instructions", "voice", "language", "speed", "turns", "tools", "loudness"];

/** How turns end; `usual` takes a choice back. */
const TURNS = {
  usual: { type: "semantic_vad", eagerness: "auto" },
  low: { type: "semantic_vad", eagerness: "low" },
  medium: { type: "semantic_vad", eagerness: "medium" },
  high: { type: "semantic_vad", eagerness: "high" },
  hold: null,
};

/**
 * @param {Record<string, string>} chosen
 * @param {string} [changed] the name of what was chosen just now: the server hears of it also where it was taken back
 * @returns {object} fields of the session object; only what was chosen
 * @throws {SyntaxError} where the tools are no JSON
 */
export function sessionOf({ instructions, voice, language, speed, turns, tools }, changed) {
  const input = {
    ...(language ? { transcription: { model: "default", language } } : {}),
    ...(turns in TURNS ? { turn_detection: TURNS[turns] } : {}),
  };
  const named = voice || (changed === "voice" ? "default" : "");
  const isPaced = speed && (speed !== "1" || changed === "speed");
  const output = { ...(named ? { voice: named } : {}), ...(isPaced ? { speed: Number(speed) } : {}) };
  const audio = { ...(hasKeys(input) ? { input } : {}), ...(hasKeys(output) ? { output } : {}) };
  return {
    ...(instructions?.trim() ? { instructions } : {}),
    ...(tools?.trim() ? { tools: JSON.parse(tools) } : {}),
    ...(hasKeys(audio) ? { audio } : {}),
  };
}

/** @param {string} hash of an address @returns {Record<string, string>} */
export function choicesOf(hash) {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  return Object.fromEntries(NAMES.filter((name) => parts.get(name)).map((name) => [name, parts.get(name)]));
}

const USUAL = { speed: "1", loudness: "1" };
const SECRET = /"(authorization|headers)"/;

/**
 * @param {Record<string, string>} chosen
 * @returns {string} what stands behind the # of an address; empty for nothing. Tools with a secret in them stay out of it.
 */
export function hashOf(chosen) {
  const told = NAMES.filter((name) => chosen[name] && chosen[name] !== USUAL[name] && !(name === "tools" && SECRET.test(chosen[name])));
  const parts = new URLSearchParams(told.map((name) => [name, chosen[name]]));
  return parts.size ? `#${parts}` : "";
}

function hasKeys(object) {
  return Object.keys(object).length > 0;
}
