/** When a lost server is tried again, and when it is given up. Pure: time and chance come in. */

const FIRST_MS = 500;
const MOST_MS = 8000;
const STABLE_MS = 5000; // a connection that lasted so long was a good one

/** So long after the server was lost nothing is tried any more. */
export const GIVE_UP_MS = 60_000;

export class Backoff {
  constructor() {
    this.attempt = 0;
    this.lostAtMs = null; // when the server was lost for the first time since it was well
    this.openedAtMs = null; // null: the last try did not get in
  }

  opened(nowMs) {
    this.openedAtMs = nowMs;
  }

  /**
   * The server was lost, or a try did not get in.
   *
   * @param {number} nowMs @param {number} chance 0 to 1, so that clients do not come back all at once
   * @returns {number | null} how long to wait before the next try; null: give up
   */
  lost(nowMs, chance) {
    if (this.openedAtMs !== null && nowMs - this.openedAtMs >= STABLE_MS) {
      this.attempt = 0;
      this.lostAtMs = null;
    }
    this.openedAtMs = null;
    this.lostAtMs ??= nowMs;
    if (nowMs - this.lostAtMs >= GIVE_UP_MS) return null;
    return Math.min(MOST_MS, FIRST_MS * 2 ** this.attempt++) * (0.5 + chance / 2);
  }
}
