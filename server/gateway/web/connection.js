/** The socket: which protocol it speaks, how it gets in, whether it still lives, and coming back when it was lost. */

import { Backoff } from "./backoff.js";
import { Door } from "./door.js";
import { sessionUpdate } from "./session-updates.js";
import { TICK_MS, Watchdog } from "./watchdog.js";

const CONNECT_MS = 8000; // browsers wait minutes for a network that swallows everything
const MAX_UNSENT_BYTES = 1 << 18; // five seconds of microphone
const KEY_PREFIX = "openai-insecure-api-key.";

/** Close codes after which coming back helps; the rest are answers. */
const LOST = new Set([1001, 1005, 1006, 1011, 1012, 1014, 4408]);
const FULL = 1013;
const PROBLEMS = { [FULL]: "server_full", 1008: "server_refused", 1000: "session_over" };

/** What may pass while a server that was lost is tried again; the rest are answers, too. */
const PASSING = new Set(["server_unreachable", "server_stopping", "server_full", "server_refused"]);

/**
 * Events: `open`; `event` (a JSON object), and `sent` (one of ours); `audio` (an ArrayBuffer); `silence` with `{isSilent}`: the server does not
 * answer, or does again; `retry` with `{attempt, delayMs}`; `problem` with `{code, message}`, after which it stays closed.
 */
export class Connection extends EventTarget {
  /** @param {string} url of `/v1/realtime` @param {string} [apiKey] */
  constructor(url, apiKey) {
    super();
    this.url = new URL(url, globalThis.location?.href);
    this.url.protocol = this.url.protocol.replace("http", "ws");
    this.door = new Door(this.url, apiKey);
    this.backoff = new Backoff();
    this.watchdog = null; // while the socket is open
    this.socket = null;
    this.hadSession = false;
    this.timer = 0; // one at a time: the deadline of connecting, the ticks of the watchdog, the wait for the next try
  }

  /** Whether the server speaks voice.v1; otherwise it is plain Realtime. */
  get isVoice() {
    return this.socket?.protocol === "voice.v1";
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** What the network has not taken yet. */
  get unsentBytes() {
    return this.socket?.bufferedAmount ?? 0;
  }

  /** Connect, once; afterwards it comes back by itself. Resolves when the socket is being made. */
  async open() {
    const mine = this.close();
    const { key, problem } = await this.door.pass();
    if (this.socket !== mine) return;
    if (problem) return this.stop(problem);
    const offers = ["voice.v1", "realtime"];
    if (key) offers.push(KEY_PREFIX + key);
    try {
      this.socket = new WebSocket(this.url, offers);
    } catch {
      return this.stop("key_wrong"); // it holds characters that no header may
    }
    this.listen(this.socket);
    this.timer = setTimeout(() => this.refused(), CONNECT_MS);
  }

  send(event) {
    if (!this.isOpen) return;
    this.socket.send(JSON.stringify(event));
    this.tell("sent", event);
  }

  /** Audio, or an event that holds some: left out while the network is far behind. */
  sendAudio(frame) {
    if (this.isOpen && this.unsentBytes < MAX_UNSENT_BYTES) this.socket.send(frame);
  }

  /** Close. @returns {object} what stands for the socket now: who waits can see by it whether another has come meanwhile */
  close() {
    clearTimeout(this.timer);
    clearInterval(this.timer);
    const { socket } = this;
    this.watchdog = null;
    this.socket = {};
    socket?.close?.(1000);
    return this.socket;
  }

  listen(socket) {
    socket.binaryType = "arraybuffer";
    const mine = (handle) => (event) => this.socket === socket && handle(event);
    socket.onopen = mine(() => this.opened());
    socket.onmessage = mine(({ data }) => {
      if (this.watchdog.heard(performance.now())) this.tell("silence", { isSilent: false });
      if (typeof data === "string") this.take(JSON.parse(data));
      else this.tell("audio", data);
    });
    socket.onclose = mine(({ code, reason }) => this.closed(code, reason));
  }

  take(event) {
    if (event.type === "session.created") this.hadSession = true;
    this.tell("event", event);
  }

  opened() {
    clearTimeout(this.timer);
    this.backoff.opened(performance.now());
    this.watchdog = new Watchdog(performance.now());
    this.timer = setInterval(() => this.watch(), TICK_MS);
    this.tell("open");
  }

  watch() {
    const order = this.watchdog.tick(performance.now());
    if (order === "ask") this.send(this.isVoice ? { type: "x_ping" } : sessionUpdate({})); // both are answered
    if (order === "tell") this.tell("silence", { isSilent: true });
    if (order === "leave") this.retry();
  }

  closed(code, reason) {
    if (this.watchdog === null) return this.refused();
    if (LOST.has(code) || (code === FULL && this.hadSession)) return this.retry();
    this.stop(PROBLEMS[code] ?? "session_over", reason);
  }

  /** A socket has not come to be. */
  async refused() {
    const mine = this.close();
    const { problem, message } = await this.door.diagnose();
    if (this.socket !== mine) return;
    if (this.hadSession && PASSING.has(problem)) this.retry();
    else this.stop(problem, message);
  }

  retry() {
    this.close();
    const delayMs = this.backoff.lost(performance.now(), Math.random());
    if (delayMs === null) return this.stop("server_lost");
    this.timer = setTimeout(() => this.open(), delayMs);
    this.tell("retry", { attempt: this.backoff.attempt, delayMs });
  }

  stop(code, message = "") {
    this.close();
    this.tell("problem", { code, message });
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
