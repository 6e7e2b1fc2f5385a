/** The column beside the conversation: the last turn, the numbers of this visit, and what is behind the port. */

import { Summary } from "./summary.js";
import { barsOf, renderBars } from "./waterfall.js";

const find = (id) => document.getElementById(id);

export const summary = new Summary();

/** @param {Record<string, number>} ms of the server's `x_metrics` */
export function showTurn(ms) {
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
export function noteOf({ saved_ms, speculated, guard, route }) {
  const notes = [];
  if (speculated && saved_ms > 0) notes.push(`Preparing the answer while you paused saved ${seconds(saved_ms)}.`);
  if (guard === "blocked") notes.push("The guard kept your words from the agent.");
  if (route) notes.push(`Answered by: ${route}.`);
  return notes.join(" ");
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(2)} s`;
}

export function showSummary() {
  find("sum-turns").textContent = summary.turns;
  find("sum-wait").textContent = summary.turns ? seconds(summary.medianMs) : "–";
  find("sum-cuts").textContent = summary.cuts;
  find("sum-time").textContent = summary.time;
}

/** Say plainly what is behind the port. */
export async function showParts() {
  const health = await fetch("healthz").then((answer) => answer.json()).catch(() => ({}));
  if (!health.providers) return;
  for (const [role, name] of Object.entries(health.providers)) {
    const place = find(`part-${role}`);
    if (place) place.textContent = name;
  }
  find("parts").hidden = false;
}
