/**
 * What is known of each turn: the server's account of it, the tools it called, what was cut. Pure: events of both directions
 * go in, with the time after the beginning at which they passed.
 */

const TOOL_KINDS = new Set(["function_call", "mcp_call", "mcp_approval_request"]);
const KEPT = 500;
const OPEN = 64; // responses of which something may still be told

export class Turns {
  constructor() {
    this.list = []; // {number, itemId, responses, items, tools, cut, ms, account, marks}
    this.open = new Map(); // response id -> turn, until the server has numbered it
    this.asked = null; // the person's newest item
    this.marks = []; // what happened on the line of time: {atMs, kind}: "interruption" or "backchannel"
    this.isHeld = false; // the voice is lowered or held, until it is known why
  }

  /** @param {object} event of the server @param {number} atMs @returns {object | null} the turn that is known better now */
  take(event, atMs) {
    return this[HANDLERS[event.type]]?.(event, atMs) ?? null;
  }

  begins({ response }) {
    const last = this.list.at(-1);
    const isNext = last && last.isOver === "tools"; // the answer to what the tools gave
    const turn = isNext ? last : { number: null, itemId: this.asked, items: [], tools: [], cut: null, ms: null, account: null, isOver: "" };
    turn.isOver = "";
    if (!isNext) this.list.push(turn);
    if (this.list.length > KEPT) this.list.shift();
    this.open.set(response.id, turn);
    if (this.open.size > OPEN) this.open.delete(this.open.keys().next().value);
    return turn;
  }

  adds({ response_id, item }) {
    const turn = this.open.get(response_id);
    if (item.type === "message") turn?.items.push(item.id);
    return turn;
  }

  itemDone({ response_id, item }) {
    const turn = response_id ? this.open.get(response_id) : this.list.find(({ tools }) => tools.some(({ id }) => id === item.id));
    if (!turn || !TOOL_KINDS.has(item.type)) return turn ?? null;
    const { id, call_id, name, arguments: args, output, error, server_label } = item;
    const known = turn.tools.find((tool) => tool.id === id);
    const tool = known ?? { id };
    Object.assign(tool, { callId: call_id, kind: item.type, name, args, server: server_label, result: output ?? error?.message ?? tool.result });
    if (!known) turn.tools.push(tool);
    return turn;
  }

  added({ item }) {
    if (item.role === "user") this.asked = item.id;
    if (item.type === "function_call_output") return this.result(item);
    return this.itemDone({ item });
  }

  result({ call_id, output }) {
    for (const turn of this.list) {
      const tool = turn.tools.find(({ callId }) => callId === call_id);
      if (!tool) continue;
      tool.result = output;
      return turn;
    }
    return null;
  }

  ends({ response }) {
    const turn = this.open.get(response.id);
    if (turn && response.output.some(({ type }) => TOOL_KINDS.has(type))) turn.isOver = "tools";
    return turn;
  }

  accounts(account) {
    const turn = this.list.findLast(({ account: known, itemId }) => !known && (!account.item_id || itemId === account.item_id)) ?? this.list.at(-1);
    if (turn) Object.assign(turn, { number: account.turn, account });
    return turn;
  }

  measures({ ms, response_id, turn: number }) {
    const turn = this.open.get(response_id) ?? this.list.findLast((one) => one.number === number);
    if (turn) Object.assign(turn, { number, ms });
    return turn;
  }

  holds() {
    this.isHeld = true;
  }

  goesOn(event, atMs) {
    if (this.isHeld) this.marks.push({ atMs, kind: "backchannel" });
    this.isHeld = false;
  }

  flushes() {
    this.isHeld = false;
  }

  /** An answer was cut short: so much of it was heard, and this was not. */
  cut({ id, text, rest }, atMs) {
    const turn = this.ofItem(id);
    if (!turn || turn.cut) return null;
    turn.cut = { atMs, heard: text, unheard: rest };
    this.marks.push({ atMs, kind: "interruption" });
    return turn;
  }

  /** The turn that a line of the conversation belongs to. */
  ofItem(id) {
    return this.list.findLast(({ itemId, items }) => itemId === id || items.includes(id)) ?? null;
  }

  /** How long each answer was waited for, in order. */
  get waits() {
    return this.list.map((turn) => ({ turn, ms: turn.ms?.heard ?? turn.ms?.first_audio })).filter(({ ms }) => ms !== undefined);
  }
}

const HANDLERS = {
  "response.created": "begins",
  "response.output_item.added": "adds",
  "response.output_item.done": "itemDone",
  "conversation.item.added": "added",
  "conversation.item.done": "added",
  "response.done": "ends",
  x_turn: "accounts",
  x_metrics: "measures",
  x_duck: "holds",
  x_pause: "holds",
  x_resume: "goesOn",
  x_flush: "flushes",
};

/** @param {number[]} waits @param {number} share 0 to 1 @returns {number} the nearest rank */
export function percentile(waits, share) {
  const sorted = [...waits].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

const ENDINGS = {
  silence: "silence",
  semantic: "silence and what was said",
  recogniser: "what you said, as the recogniser hears it",
  client: "you asked for the answer",
  stall: "the sound stopped coming",
  server: "the server spoke by itself",
};
const CUTTERS = { speech: "you talked over it", client: "you pressed for it", timeout: "it took too long", gone: "you were gone" };

/** The server's account of a turn as pairs of a name and a sentence. */
export function accountOf({ account, cut }) {
  if (!account) return [];
  const { ended_by, silence_ms, speculated, saved_ms, guard, route, interrupted_by, revision } = account;
  const pairs = [["Ended by", `${ENDINGS[ended_by] ?? ended_by}${silence_ms === null ? "" : `, after ${silence_ms} ms`}`]];
  if (revision > 1) pairs.push(["Attempts", `${revision}: you went on after a pause`]);
  if (speculated && saved_ms > 0) pairs.push(["Prepared ahead", `saved ${saved_ms} ms`]);
  if (guard) pairs.push(["Guard", guard === "blocked" ? "kept your words from the agent" : guard]);
  if (route) pairs.push(["Answered by", route]);
  if (interrupted_by) pairs.push(["Cut short", CUTTERS[interrupted_by] ?? interrupted_by]);
  if (cut?.unheard) pairs.push(["Not heard", `“${cut.unheard.trim()}”`]);
  return pairs;
}
