/** What plain requests tell about a server that browsers do not tell about a socket: a key's short-lived stand-in, and why we were refused. */

const ASK_MS = 5000;
const SESSIONS = "/v1/realtime";
const SECRETS = "/v1/realtime/client_secrets";
const SECRET = "ek_"; // how a short-lived key begins
const LIFETIME_S = 7200; // the session is resumed with what has opened it
const ORDER = { expires_after: { anchor: "created_at", seconds: LIFETIME_S }, session: { type: "realtime" } };

export class Door {
  /** @param {URL} url of `/v1/realtime` @param {string} [apiKey] */
  constructor(url, apiKey) {
    this.url = url;
    this.apiKey = apiKey;
  }

  /**
   * What opens the socket: a short-lived key in place of the real one, which had better not be in an address or a log.
   *
   * @returns {Promise<{key?: string, problem?: string}>}
   */
  async pass() {
    if (!this.apiKey || this.apiKey.startsWith(SECRET)) return { key: this.apiKey };
    const answer = await this.ask("POST", SECRETS);
    if (answer?.status === 401) return { problem: "key_wrong" };
    return { key: answer?.ok ? (await answer.json()).value : this.apiKey };
  }

  /** Why a socket was refused. @returns {Promise<{problem: string, message?: string}>} */
  async diagnose() {
    const ready = await this.ask("GET", "/readyz");
    if (!ready) return { problem: "server_unreachable" };
    if (ready.status === 503) {
      const { status } = await ready.json().catch(() => ({}));
      return { problem: status === "full" ? "server_full" : "server_stopping" };
    }
    const answer = await this.ask("POST", SECRETS);
    if (!answer && isElsewhere(this.url)) return { problem: "origin_refused", message: originRefused() }; // the browser tells us nothing
    if (answer?.status === 401) return { problem: this.apiKey ? "key_wrong" : "key_needed" };
    if (answer?.status === 403) return { problem: "origin_refused" };
    if (answer?.status === 429) return { problem: "over_quota", message: await saidBy(answer) };
    return { problem: "server_refused" };
  }

  async ask(method, path) {
    const url = new URL(this.url);
    url.search = "";
    url.pathname = url.pathname.replace(SESSIONS, "") + path; // the server may be under a path
    url.protocol = url.protocol.replace("ws", "http");
    const isOrder = method === "POST"; // anything else has no header, or browsers would ask first whether it may have one
    const headers = isOrder ? { "Content-Type": "application/json" } : {};
    if (isOrder && this.apiKey) headers.Authorization = `Bearer ${this.apiKey}`;
    const body = isOrder ? JSON.stringify(ORDER) : undefined;
    try {
      return await fetch(url, { method, headers, body, signal: AbortSignal.timeout(ASK_MS) });
    } catch {
      return null;
    }
  }
}

async function saidBy(answer) {
  const { error } = await answer.json().catch(() => ({}));
  return error?.message ?? "";
}

/** Whether the page is another server's. */
function isElsewhere({ host }) {
  return globalThis.location?.host !== host;
}

function originRefused() {
  return `The server at this address must be started with STAGEFLOW_VOICE_ALLOWED_ORIGINS=${location.origin}`;
}
