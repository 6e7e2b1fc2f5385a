/** The minutes of a conversation: who said what, and when each word was heard. Pure: times come in, after the beginning. */

const WHO = { person: "You", agent: "Agent" };
const OPEN = new Set(["partial", "sending"]);

const joined = (words) => words.map(({ text }) => text).join("");

export class Minutes {
  constructor() {
    this.entries = new Map(); // by the id of the caption
  }

  /** @param {{id: string, role: string, text: string, status: string}} caption @param {number} atMs */
  take({ id, role, text, rest, status }, atMs) {
    if (!text && !rest && !OPEN.has(status)) return void this.entries.delete(id);
    const entry = this.entries.get(id) ?? { id, role, text: "", fromMs: null, toMs: atMs, status, words: [] };
    this.entries.set(id, entry);
    entry.fromMs ??= role === "person" || text ? atMs : null;
    if (role === "agent" && text.length > entry.text.length && text.startsWith(entry.text)) {
      entry.words.push({ text: text.slice(entry.text.length), atMs: Math.round(atMs) });
    }
    while (entry.words.length && joined(entry.words).length > text.length) entry.words.pop(); // begun, and not heard to its end
    if (text !== entry.text || status !== entry.status) entry.toMs = atMs;
    Object.assign(entry, { text, status });
  }

  /** What was said, in order. */
  get lines() {
    return [...this.entries.values()].filter(({ text, fromMs }) => text && fromMs !== null);
  }

  /** As plain text, for a mail. */
  get text() {
    return this.lines.map(({ role, text, status }) => `${WHO[role]}: ${text.trim()}${status === "interrupted" ? " – cut short" : ""}\n`).join("");
  }

  /** For programs. @param {string} began when, as ISO 8601 */
  json(began) {
    const lines = this.lines.map(({ role, text, status, fromMs, toMs, words }) => ({
      role,
      text: text.trim(),
      status,
      from_ms: Math.round(fromMs),
      to_ms: Math.round(toMs),
      ...(words.length ? { words: words.map(({ text: word, atMs }) => ({ text: word, at_ms: atMs })) } : {}),
    }));
    return JSON.stringify({ began, lines }, null, 1);
  }
}
