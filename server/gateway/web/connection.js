/** The socket: which protocol it speaks, how it gets in, what went wrong, and coming back when it was lost. */

const RETRY_MS = { first: 500, most: 8000 };
const MAX_RETRIES = 12;
const STABLE_MS = 5000; // a connection that lasted so long was a good one
const ASK_MS = 5000;
const MAX_UNSENT_BYTES = 1 << 18; // five seconds of microphone
const KEY_PREFIX = "openai-insecure-api-key.";

/** Close codes after which coming back helps; the rest are answers. */
const LOST = new Set([1001, 1005, 1006, 1011, 1012, 1014, 4408]);
const PROBLEMS = { 1013: "server_full", 1008: "server_refused", 1000: "session_over" };

/** How long to wait before try number `attempt` (from 0), with `chance` from 0 to 1 to keep clients apart. */
export function retryDelayMs(attempt, chance) {
  return Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** attempt) * (0.75 + chance / 2);
}

/**
 * Events: `open`; `event` (a JSON object); `audio` (an ArrayBuffer); `retry` with `{attempt, delayMs}`; `problem` with
 * `{code, message}`, after which it stays closed.
 */
export class Connection extends EventTarget {
  /** @param {string} url of `/v1/realtime` @param {string} [apiKey] */
  constructor(url, apiKey) {
    super();
    this.url = new URL(url, globalThis.location?.href);
    this.url.protocol = this.url.protocol.replace("http", "ws");
    this.apiKey = apiKey;
    this.socket = null;
    this.attempt = 0;
    this.wasOpen = false;
    this.openedAt = 0;
    this.timer = 0;
  }

  /** Whether the server speaks voice.v1; otherwise it is plain Realtime. */
  get isVoice() {
    return this.socket?.protocol === "voice.v1";
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Connect, once; afterwards it comes back by itself. Resolves when the socket is being made. */
  async open() {
    const mine = (this.socket = {}); // closing meanwhile takes this place
    const secret = this.apiKey && (await this.secret());
    if (this.socket !== mine) return;
    const offers = ["voice.v1", "realtime"];
    if (secret) offers.push(KEY_PREFIX + secret);
    try {
      this.socket = new WebSocket(this.url, offers);
    } catch {
      return this.stop("key_wrong"); // it holds characters that no header may
    }
    this.listen(this.socket);
  }

  send(event) {
    if (this.isOpen) this.socket.send(JSON.stringify(event));
  }

  /** Audio, or an event that holds some: left out while the network is far behind. */
  sendAudio(frame) {
    if (this.isOpen && this.socket.bufferedAmount < MAX_UNSENT_BYTES) this.socket.send(frame);
  }

  close() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close?.(1000);
  }

  listen(socket) {
    socket.binaryType = "arraybuffer";
    const mine = (handle) => (event) => this.socket === socket && handle(event);
    socket.onopen = mine(() => {
      this.wasOpen = true;
      this.openedAt = performance.now();
      this.tell("open");
    });
    socket.onmessage = mine(({ data }) => {
      if (typeof data === "string") this.tell("event", JSON.parse(data));
      else this.tell("audio", data);
    });
    socket.onclose = mine(({ code, reason }) => this.closed(code, reason));
  }

  async closed(code, reason) {
    const mine = (this.socket = {});
    if (!this.wasOpen) {
      const problem = await this.diagnose();
      return this.socket === mine && this.stop(problem);
    }
    if (!LOST.has(code)) return this.stop(PROBLEMS[code] ?? "session_over", reason);
    if (performance.now() - this.openedAt > STABLE_MS) this.attempt = 0;
    if (this.attempt >= MAX_RETRIES) return this.stop("server_lost");
    const delayMs = retryDelayMs(this.attempt++, Math.random());
    this.tell("retry", { attempt: this.attempt, delayMs });
    this.timer = setTimeout(() => this.open(), delayMs);
  }

  stop(code, message = "") {
    this.close();
    this.tell("problem", { code, message });
  }

  /** Browsers do not say why a socket was refused; plain requests do. */
  async diagnose() {
    const ready = await this.ask("GET", "/readyz");
    if (!ready) return "server_unreachable";
    if (ready.status === 503) return (await ready.json()).status === "full" ? "server_full" : "server_stopping";
    const door = await this.ask("POST", "/v1/realtime/client_secrets");
    if (door?.status === 401) return this.apiKey ? "key_wrong" : "key_needed";
    if (door?.status === 403) return "origin_refused";
    return "server_refused";
  }

  /** A short-lived key in place of the real one, which had better not be in an address or a log. */
  async secret() {
    const answer = await this.ask("POST", "/v1/realtime/client_secrets");
    return answer?.ok ? (await answer.json()).value : this.apiKey;
  }

  async ask(method, path) {
    const url = new URL(path, this.url);
    url.protocol = url.protocol.replace("ws", "http");
    const headers = { "Content-Type": "application/json" };
    if (this.apiKey) headers.Authorization = `Bearer ${this.apiKey}`;
    const body = method === "POST" ? JSON.stringify({ session: { type: "realtime" } }) : undefined;
    try {
      return await fetch(url, { method, headers, body, signal: AbortSignal.timeout(ASK_MS) });
    } catch {
      return null;
    }
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
