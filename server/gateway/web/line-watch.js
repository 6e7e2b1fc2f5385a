/** Asks the server again and again, tells when the line becomes slow or good, and what is done about it. */

import { Line } from "./line.js";

const TICK_MS = 250;
const TELEPHONE = { type: "audio/pcmu" };
const FULL = { type: "audio/pcm", rate: 24000 };

/** Events: `line` with `{isSlow, isSaving, roundTripMs}`; `quality` with the session's part that asks for another one. */
export class LineWatch extends EventTarget {
  /** @param {import("./connection.js").Connection} connection */
  constructor(connection) {
    super();
    this.connection = connection;
    this.line = new Line();
    this.timer = 0;
    for (const begin of ["open", "resumed"]) connection.addEventListener(begin, () => this.begin());
    connection.addEventListener("event", ({ detail }) => detail.type === "x_pong" && this.line.answered(performance.now()));
    for (const end of ["retry", "problem"]) connection.addEventListener(end, () => this.stop());
  }

  begin() {
    this.stop();
    if (!this.connection.isVoice) return; // nobody would answer
    this.line.opened(performance.now());
    this.timer = setInterval(() => this.watch(), TICK_MS);
  }

  stop() {
    clearInterval(this.timer);
  }

  watch() {
    if (!this.connection.isOpen) return this.stop();
    const wasSaving = this.line.isSaving;
    const { ping, changed } = this.line.tick(performance.now(), this.connection.unsentBytes);
    if (ping) this.connection.send({ type: "x_ping" });
    if (!changed) return;
    const { isSlow, isSaving, roundTripMs } = this.line;
    this.dispatchEvent(new CustomEvent("line", { detail: { isSlow, isSaving, roundTripMs } }));
    if (isSaving !== wasSaving) this.dispatchEvent(new CustomEvent("quality", { detail: qualityOf(isSaving) }));
  }
}

/** The part of a session that asks for telephone quality, or for the full one again. */
function qualityOf(isSaving) {
  const format = isSaving ? TELEPHONE : FULL;
  return { audio: { input: { format }, output: { format } } };
}
