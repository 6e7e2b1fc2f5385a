/** The turns beside the conversation: press a line, and its turn explains itself; a strip of all waits; both sides' waves. */

import { keep, recorded, sinceBegin } from "./keeping.js";
import { accountOf, percentile, Turns } from "./turns.js";
import { barsOf, renderBars } from "./waterfall.js";
import { drawWaves } from "./waves.js";

const find = (id) => document.getElementById(id);
const WAVES_MS = 500;

let turns = new Turns();
let texts = new Map(); // of answers, with what is yet to be said
let chosen = null; // the turn that is shown; null: the newest
let timer = 0;

/** Follow this client's turns, from here on. @param {import("./voice-client.js").VoiceClient} client */
export function explain(client) {
  keep(client);
  turns = new Turns();
  texts = new Map();
  chosen = null;
  client.connection.addEventListener("event", ({ detail }) => {
    const turn = turns.take(detail, sinceBegin());
    if (turn) changed(turn);
  });
  client.addEventListener("caption", ({ detail }) => {
    const { id, role, text, rest, status } = detail;
    if (role !== "agent") return;
    if (status === "interrupted") {
      const whole = texts.get(id) ?? text;
      const turn = turns.cut({ id, text, rest: whole.slice(text.length) }, sinceBegin());
      if (turn) changed(turn);
    }
    if (rest) texts.set(id, text + rest);
    else if (status !== "partial") texts.delete(id);
  });
  client.addEventListener("state", ({ detail }) => (detail.state === "closed" ? pause() : go()));
}

function go() {
  if (!timer) timer = setInterval(showWaves, WAVES_MS);
}

function pause() {
  clearInterval(timer);
  timer = 0;
  showWaves();
}

function showWaves() {
  const recording = recorded();
  find("time-line").hidden = recording.seconds < 1;
  if (!document.hidden && !find("time-line").hidden) drawWaves(find("waves"), recording, turns.marks);
  find("waves-note").hidden = !turns.marks.length;
}

function changed(turn) {
  if (turn.ms || turn.account) showWaits();
  const shown = chosen ?? turns.waits.at(-1)?.turn;
  if (turn === shown || (!chosen && turn.tools.length)) showTurn(turn);
}

/** Show the turn of a line of the conversation. @returns {boolean} whether there is one */
export function showTurnOf(id) {
  const turn = turns.ofItem(id);
  if (!turn || (!turn.ms && !turn.tools.length)) return false;
  chosen = turn === turns.list.at(-1) ? null : turn;
  showTurn(turn);
  showWaits();
  return true;
}

function showTurn(turn) {
  const number = turn.number ?? turns.list.indexOf(turn) + 1;
  find("turn-title").textContent = turn === turns.list.at(-1) ? "The last turn" : `Turn ${number}`;
  if (turn.ms) showWait(turn.ms);
  find("turn-account").replaceChildren(...accountOf(turn).map(([name, text]) => pair(name, text)));
  find("turn-tools").replaceChildren(...turn.tools.map(toolItem));
}

function showWait(ms) {
  const wait = ms.heard ?? ms.first_audio;
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
}

function pair(name, text) {
  const row = document.createElement("div");
  const term = document.createElement("dt");
  const told = document.createElement("dd");
  term.textContent = name;
  told.textContent = text;
  row.append(term, told);
  return row;
}

/** A tool with its arguments and what came of it. */
function toolItem({ name, args, result, server }) {
  const item = document.createElement("li");
  const title = document.createElement("b");
  title.textContent = server ? `${server}: ${name}` : name;
  const call = document.createElement("code");
  call.textContent = args || "{}";
  const answer = document.createElement("code");
  answer.textContent = result ?? "…";
  item.append(title, call, answer);
  return item;
}

/** A bar for each wait, and what half and nearly all of them take. */
function showWaits() {
  const waits = turns.waits;
  if (!waits.length) return;
  const all = waits.map(({ ms }) => ms);
  const most = Math.max(...all);
  find("waits-section").hidden = false;
  find("waits-note").textContent = `p50 ${seconds(percentile(all, 0.5))} · p95 ${seconds(percentile(all, 0.95))}`;
  const bars = waits.slice(-60).map(({ turn, ms }) => {
    const item = document.createElement("li");
    const bar = document.createElement("button");
    bar.style.setProperty("--share", Math.max(0.06, ms / most));
    bar.setAttribute("aria-label", `Turn ${turn.number}: ${seconds(ms)}`);
    bar.setAttribute("aria-pressed", turn === chosen);
    bar.addEventListener("click", () => {
      chosen = turn;
      showTurn(turn);
      showWaits();
    });
    item.append(bar);
    return item;
  });
  find("waits").replaceChildren(...bars);
}

export function seconds(ms) {
  return `${(ms / 1000).toFixed(2)} s`;
}
