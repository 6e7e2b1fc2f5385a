/** What the browser's tab tells of the conversation: its title and its icon follow the state. */

const COLOURS = {
  idle: "#8a857a",
  closed: "#8a857a",
  listening: "#0b6e5f",
  hearing: "#0b6e5f",
  thinking: "#b7791f",
  speaking: "#2f6fd0",
  starved: "#2f6fd0",
  yielding: "#2f6fd0",
};
let shown = "";
const TROUBLE = "#b3261e"; // connecting, stalled, reconnecting

/** @param {string} state @param {string} title what the page says of it */
export function showInTab(state, title) {
  const told = `${state === "idle" ? "Talk" : title} · stageflow-voice`;
  if (document.title !== told) document.title = told;
  const colour = COLOURS[state] ?? TROUBLE;
  if (colour === shown) return; // a browser draws it anew each time
  shown = colour;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="11" fill="${colour}"/><circle cx="16" cy="16" r="14" fill="none" stroke="${colour}" stroke-width="2"/></svg>`;
  document.getElementById("icon").href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
