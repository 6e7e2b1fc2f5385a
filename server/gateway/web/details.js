/** The numbers of this visit, and what is behind the port. */

import { Summary } from "./summary.js";
import { seconds } from "./turn-panel.js";

const find = (id) => document.getElementById(id);

export const summary = new Summary();

/** @param {Record<string, number>} ms of the server's `x_metrics` */
export function countTurn(ms) {
  const wait = ms.heard ?? ms.first_audio;
  if (wait !== undefined) summary.addTurn(wait);
  showSummary();
}

export function showSummary() {
  find("sum-turns").textContent = summary.turns;
  find("sum-wait").textContent = summary.turns ? seconds(summary.medianMs) : "–";
  find("sum-cuts").textContent = summary.cuts;
  find("sum-time").textContent = summary.time;
}

/** Say plainly what is behind the port. @returns {Promise<object>} what the server tells of itself */
export async function showParts() {
  const health = await fetch("healthz").then((answer) => answer.json()).catch(() => ({}));
  if (!health.providers) return health;
  for (const [role, name] of Object.entries(health.providers)) {
    const place = find(`part-${role}`);
    if (place) place.textContent = name;
  }
  find("part-agents").textContent = (health.agents ?? []).join(", ");
  find("part-agents-row").hidden = !(health.agents?.length > 1);
  find("parts").hidden = false;
  return health;
}
