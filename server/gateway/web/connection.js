/** The socket: which protocol it speaks, how it gets in, whether it still lives, and coming back when it was lost. */

import { Backoff } from "./backoff.js";
import { Door } from "./door.js";
import { Resumption } from "./resumption.js";
import { sessionUpdate } from "./session-updates.js";
import { TICK_MS, Watchdog } from "./watchdog.js";

const CONNECT_MS = 8000; // browsers wait minutes for a network that swallows everything
const MAX_UNSENT_BYTES = 1 << 19; // eleven seconds of microphone: a silent line is left before
const MOST_REFUSALS = 3; // by a server that is there: it does not know the key any more that has opened the session
const KEY_PREFIX = "openai-insecure-api-key.";

/** Close codes after which coming back helps; the rest are answers. */
const LOST = new Set([1001, 1005, 1006, 1011, 1012, 1014, 4404, 4408, 4410]);

/** Those after which the session is gone, and another one begins. */
const GONE = new Set([1001, 1005, 4404, 4410]);
const FULL = 1013;
const PROBLEMS = { [FULL]: "server_full", 1008: "server_refused", 1000: "session_over", 4409: "taken_over" };

/** Our own: the line is left, and not the session. */
const LEFT = 4000;

/** What may pass while a server that was lost is tried again; the rest are answers, too. */
const PASSING = new Set(["server_unreachable", "server_stopping", "server_full", "server_refused"]);

/**
 * Events: `open`; `event` (a JSON object), and `sent` (one of ours); `audio` (an ArrayBuffer); `silence` with `{isSilent}`: the server does not
 * answer, or does again; `retry` with `{attempt, delayMs, isResuming}`; `resumed`: the same session goes on over another
 * socket; `anew`: it is gone, and another one begins; `problem` with `{code, message}`, after which it stays closed.
 *
 * While a session waits to be resumed, what is sent is kept, and sent when it is.
 */
export class Connection extends EventTarget {
  /** @param {string} url of `/v1/realtime` @param {string} [apiKey] */
  constructor(url, apiKey) {
    super();
    this.url = new URL(url, globalThis.location?.href);
    this.url.protocol = this.url.protocol.replace("http", "ws");
    if (!this.url.searchParams.has("sid")) this.url.searchParams.set("sid", nameOfSession());
    this.door = new Door(this.url, apiKey);
    this.backoff = new Backoff();
    this.resumption = new Resumption();
    this.watchdog = null; // while the socket is open
    this.socket = null;
    this.key = undefined; // what has opened the session; nothing else resumes it
    this.isVoice = false; // whether the server speaks voice.v1; otherwise it is plain Realtime
    this.isGreeted = true; // false from when a session asks to be resumed until the server agrees
    this.hadSession = false;
    this.refusals = 0; // in a row, of a session that wants to be resumed
    this.timer = 0; // one at a time: the deadline of connecting, the ticks of the watchdog, the wait for the next try
    this.isWaiting = false; // for the next try
    globalThis.addEventListener?.("online", () => this.isWaiting && this.open());
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN && this.isGreeted;
  }

  /** Whether what is sent reaches the server, now or later. */
  get canSend() {
    return this.isOpen || this.resumption.canResume;
  }

  /** What the network has not taken yet. */
  get unsentBytes() {
    return this.socket?.bufferedAmount ?? 0;
  }

  /** Connect, once; afterwards it comes back by itself. Resolves when the socket is being made. */
  async open() {
    const mine = this.leave();
    const { canResume, offer } = this.resumption;
    if (!canResume) {
      const { key, problem } = await this.door.pass();
      if (this.socket !== mine) return;
      if (problem) return this.stop(problem);
      this.key = key;
    }
    const offers = ["voice.v1", ...(canResume ? [offer] : ["realtime"])];
    if (this.key) offers.push(KEY_PREFIX + this.key);
    this.isGreeted = !canResume;
    try {
      this.socket = new WebSocket(this.url, offers);
    } catch {
      return this.stop("key_wrong"); // it holds characters that no header may
    }
    this.listen(this.socket);
    this.timer = setTimeout(() => this.refused(), CONNECT_MS);
  }

  send(event) {
    if (!this.canSend) return;
    const frame = JSON.stringify(event);
    this.resumption.sent(frame);
    if (this.isOpen) this.socket.send(frame);
    this.tell("sent", event);
  }

  /** Audio: left out while the network is far behind. @param {ArrayBuffer} frame @param {number} offset of its first sample */
  sendAudio(frame, offset) {
    if (!this.canSend) return;
    this.resumption.sentAudio(frame, offset);
    this.transmit(frame);
  }

  /** The same for an event that holds some, of plain Realtime. @param {string} frame */
  transmit(frame) {
    if (this.isOpen && this.unsentBytes < MAX_UNSENT_BYTES) this.socket.send(frame);
  }

  /** End the session, and stay away. */
  close() {
    this.leave(1000);
    this.resumption = new Resumption();
  }

  /**
   * Leave the socket there is.
   *
   * @param {number} code 1000 ends the session, too
   * @returns {object} what stands for the socket now: who waits can see by it whether another has come meanwhile
   */
  leave(code = LEFT) {
    clearTimeout(this.timer);
    clearInterval(this.timer);
    const { socket } = this;
    this.watchdog = null;
    this.isWaiting = false;
    this.socket = {};
    socket?.close?.(code);
    return this.socket;
  }

  listen(socket) {
    socket.binaryType = "arraybuffer";
    const mine = (handle) => (event) => this.socket === socket && handle(event);
    socket.onopen = mine(() => this.opened());
    socket.onmessage = mine(({ data }) => {
      if (this.watchdog.heard(performance.now())) this.tell("silence", { isSilent: false });
      this.take(data);
    });
    socket.onclose = mine(({ code, reason }) => this.closed(code, reason));
  }

  /** A frame has come. @param {string | ArrayBuffer} data */
  take(data) {
    const event = typeof data === "string" ? JSON.parse(data) : null;
    if (!this.isGreeted) return this.greeted(event);
    this.resumption.got(event);
    if (event === null) return this.tell("audio", data);
    if (event.type === "session.created") this.hadSession = true;
    if (event.type === "x_move" && this.resumption.canResume) this.open(); // another socket leads to another node
    this.tell("event", event);
  }

  opened() {
    clearTimeout(this.timer);
    this.backoff.opened(performance.now());
    this.refusals = 0;
    this.watchdog = new Watchdog(performance.now());
    this.timer = setInterval(() => this.watch(), TICK_MS);
    if (!this.isGreeted) return; // first the server says what it has
    this.isVoice = this.socket.protocol === "voice.v1";
    this.tell("open");
  }

  /** The server has the session still, and says how much of what was sent it has got. */
  greeted(event) {
    this.isGreeted = true;
    this.resumption.learn(event.resume);
    for (const frame of this.resumption.missing(event)) this.socket.send(frame);
    this.tell("resumed");
  }

  watch() {
    const order = this.watchdog.tick(performance.now());
    if (order === "leave") return this.retry();
    if (!this.isGreeted) return; // the line was called lost already
    if (order === "ask") this.send(this.isVoice ? { type: "x_ping" } : sessionUpdate({})); // both are answered
    if (order === "tell") this.tell("silence", { isSilent: true });
  }

  closed(code, reason) {
    if (this.watchdog === null) return this.refused();
    if (GONE.has(code)) this.forget();
    if (LOST.has(code) || (code === FULL && this.hadSession)) return this.retry();
    this.stop(PROBLEMS[code] ?? "session_over", reason);
  }

  /** A socket has not come to be. */
  async refused() {
    const mine = this.leave();
    const { problem, message } = await this.door.diagnose();
    if (this.socket !== mine) return;
    if (problem === "server_refused" && this.key && ++this.refusals >= MOST_REFUSALS) this.forget();
    if (this.hadSession && PASSING.has(problem)) this.retry();
    else this.stop(problem, message);
  }

  retry() {
    this.leave();
    const { canResume: isResuming } = this.resumption;
    if (!isResuming) this.forget();
    const delayMs = this.backoff.lost(performance.now(), Math.random());
    if (delayMs === null) return this.stop("server_lost");
    this.timer = setTimeout(() => this.open(), delayMs);
    this.isWaiting = true;
    this.tell("retry", { attempt: this.backoff.attempt, delayMs, isResuming });
  }

  /** There is no way back to the session. */
  forget() {
    const { hasBegun } = this.resumption;
    this.resumption = new Resumption();
    if (hasBegun) this.tell("anew");
  }

  stop(code, message = "") {
    this.close();
    this.tell("problem", { code, message });
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** By which a load balancer finds the node of the session again; no secret. */
function nameOfSession() {
  return Math.random().toString(36).slice(2, 14);
}
