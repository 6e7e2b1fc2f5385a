/** The steps of a turn on one line of time, from the last sound the person made. `barsOf` is pure. */

/** Each step, what to call it, and the steps it had to wait for. */
const STEPS = [
  ["endpoint", "You finished", []],
  ["transcript", "Words", []],
  ["guard", "Guard", ["transcript"]],
  ["route", "Route", ["transcript"]],
  ["first_token", "First word", ["transcript", "route"]],
  ["first_audio", "First sound", ["first_token"]],
  ["heard", "You hear it", ["first_audio", "endpoint", "guard"]],
];

/**
 * @param {Record<string, number>} ms when each step was done, in milliseconds after the last voiced sample
 * @returns {{step: string, label: string, ms: number, ownMs: number, from: number, to: number}[]} `ownMs` is the step's own
 *     share; `from` and `to` are shares of the whole, 0 to 1
 */
export function barsOf(ms) {
  const done = STEPS.filter(([step]) => Number.isFinite(ms[step]));
  const whole = Math.max(1, ...done.map(([step]) => ms[step]));
  return done.map(([step, label, waitsFor]) => {
    const known = waitsFor.map((before) => ms[before]).filter(Number.isFinite);
    const from = Math.min(ms[step], Math.max(0, ...known));
    return { step, label, ms: ms[step], ownMs: Math.max(0, ms[step] - from), from: Math.max(0, from) / whole, to: Math.max(0, ms[step]) / whole };
  });
}

/** Show the turn in a table's body: a row a step, its name, its bar, its time. */
export function renderBars(body, bars) {
  body.replaceChildren(
    ...bars.map(({ step, label, ms, ownMs, from, to }) => {
      const row = document.createElement("tr");
      row.dataset.step = step;
      const name = document.createElement("th");
      name.scope = "row";
      name.textContent = label;
      const track = document.createElement("td");
      const bar = document.createElement("i");
      bar.style.marginLeft = `${from * 100}%`;
      bar.style.width = `${Math.max(1.5, (to - from) * 100)}%`;
      track.append(bar);
      track.setAttribute("aria-label", `from ${Math.round(ms - ownMs)} to ${Math.round(ms)} ms`);
      const time = document.createElement("td");
      time.textContent = ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`; // short, for the bars' sake
      time.title = `${Math.round(ownMs)} ms of its own`;
      const own = document.createElement("td");
      own.textContent = ownMs < 1000 ? `+${Math.round(ownMs)}` : `+${(ownMs / 1000).toFixed(2)} s`;
      row.append(name, track, own, time);
      return row;
    }),
  );
}
