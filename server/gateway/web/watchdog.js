/** Whether a line still lives. A socket whose network is gone looks open for minutes, so the server is asked. Pure. */

/** How long each state lasts, unless something is heard: what comes then, and what is to be done. */
const STEPS = {
  lively: { waitMs: 1500, next: "asked", order: "ask" },
  asked: { waitMs: 2500, next: "silent", order: "tell" },
  silent: { waitMs: 6000, next: "dead", order: "leave" },
  dead: { waitMs: Infinity },
};

export const TICK_MS = 250;

/** A tick that comes so late proves nothing: the page slept, or its timers are slowed down in the background. */
const LATE_MS = 2000;

export class Watchdog {
  constructor(nowMs) {
    this.tickedAtMs = nowMs;
    this.heard(nowMs);
  }

  /** Something came. @returns {boolean} whether the line had been called silent */
  heard(nowMs) {
    const wasSilent = this.state === "silent";
    this.state = "lively";
    this.sinceMs = nowMs;
    return wasSilent;
  }

  /** To be called every `TICK_MS`. @returns {"ask" | "tell" | "leave" | null} each once: a silence is told within 4.5 s */
  tick(nowMs) {
    if (nowMs - this.tickedAtMs > LATE_MS) this.sinceMs = nowMs;
    this.tickedAtMs = nowMs;
    const { waitMs, next, order } = STEPS[this.state];
    if (nowMs - this.sinceMs < waitMs) return null;
    this.state = next;
    this.sinceMs = nowMs;
    return order;
  }
}
