/**
 * How good a line is, by how long the server's answers to pings take and by what waits to be sent: and whether speech had
 * better go in telephone quality (G.711), which needs a sixth of the bytes. Pure: time comes in.
 */

export const PING_MS = 1200; // sooner than the watchdog asks, so that each answer belongs to one question
const SLOW_MS = 1000; // an answer that takes longer makes a slow line
const GOOD_MS = 500;
const SLOW_BYTES = 48_000; // a second of microphone that the network has not taken
const STEADY_MS = 3000; // so long a line must have been well to be called good again
const BACK_MS = 30_000; // and so long to be trusted with full quality; twice as long each time that was wrong

export class Line {
  constructor() {
    this.isSlow = false;
    this.isSaving = false; // telephone quality is asked for
    this.roundTripMs = null;
    this.backMs = BACK_MS;
    this.opened(0);
  }

  /** A connection has been made. What was learned of the line before holds. */
  opened(nowMs) {
    this.askedAtMs = null; // when the question that waits was asked
    this.nextMs = nowMs;
    this.goodSinceMs = nowMs;
  }

  /** The answer to a ping has come. */
  answered(nowMs) {
    if (this.askedAtMs === null) return;
    this.roundTripMs = nowMs - this.askedAtMs;
    this.askedAtMs = null;
  }

  /**
   * To be called every quarter of a second.
   *
   * @param {number} nowMs @param {number} unsentBytes that the network has not taken
   * @returns {{ping: boolean, changed: boolean}} what to do now: ask, and tell that the line has changed
   */
  tick(nowMs, unsentBytes) {
    const waitsMs = this.askedAtMs === null ? 0 : nowMs - this.askedAtMs;
    const worstMs = Math.max(waitsMs, this.roundTripMs ?? 0);
    const before = [this.isSlow, this.isSaving];
    if (worstMs > GOOD_MS || unsentBytes > SLOW_BYTES / 4) this.goodSinceMs = nowMs;
    if (worstMs > SLOW_MS || unsentBytes > SLOW_BYTES) this.isSlow = true;
    else if (nowMs - this.goodSinceMs >= STEADY_MS) this.isSlow = false;
    this.save(nowMs);
    const ping = this.askedAtMs === null && nowMs >= this.nextMs;
    if (ping) {
      this.askedAtMs = nowMs;
      this.nextMs = nowMs + PING_MS;
    }
    return { ping, changed: before[0] !== this.isSlow || before[1] !== this.isSaving };
  }

  save(nowMs) {
    if (this.isSlow) this.isSaving = true;
    else if (this.isSaving && nowMs - this.goodSinceMs >= this.backMs) {
      this.isSaving = false;
      this.backMs *= 2;
    }
  }
}
