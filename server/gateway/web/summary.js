/** The numbers of one visit: turns, waits, interruptions, time. Pure but for the clock it is given. */

export class Summary {
  /** @param {() => number} now milliseconds */
  constructor(now = () => performance.now()) {
    this.now = now;
    this.waits = [];
    this.cuts = 0;
    this.spentMs = 0;
    this.since = null;
  }

  /** The conversation goes on; harmless when it does already. */
  begin() {
    this.since ??= this.now();
  }

  pause() {
    if (this.since !== null) this.spentMs += this.now() - this.since;
    this.since = null;
  }

  addTurn(waitMs) {
    this.waits.push(waitMs);
  }

  get turns() {
    return this.waits.length;
  }

  get medianMs() {
    const sorted = [...this.waits].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  /** Minutes and seconds talked. */
  get time() {
    const running = this.since === null ? 0 : this.now() - this.since;
    const whole = Math.floor((this.spentMs + running) / 1000);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  }
}
