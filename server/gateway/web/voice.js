/**
 * One tag for any page:
 *
 *     <script type="module" src="https://voice.example.com/voice.js"></script>
 *     <stageflow-voice></stageflow-voice>
 *
 * Attributes, read when a conversation begins: `server` (the address of its page; without one, where this file came from),
 * `key` (a client secret, `ek_…`, that the page's own server has ordered; needed where the server has keys), `agent`, `voice`,
 * `instructions`, `language`. `docs/clients.md` has the custom properties that change how it looks.
 *
 * The events of `voice-client.js` are its events too, and `client` is that of the conversation that runs, or null.
 */

import { actionOf, hintOf, isLost, lineOf, microphoneKey } from "./hints.js";
import { MESSAGES } from "./messages.js";
import { Orb } from "./orb.js";
import { sessionOf } from "./choices.js";
import { Transcript } from "./transcript.js";
import { connect } from "./voice-client.js";
import { MARKUP, STYLE } from "./voice-look.js";

const SHOWN_MS = 6000; // what nothing can be done about goes away
const EVENTS = ["state", "caption", "words", "voices", "session", "interrupted", "turn", "metrics", "retry", "anew", "problem"];

export class StageflowVoice extends HTMLElement {
  constructor() {
    super();
    this.client = null;
    this.now = { state: "idle", microphone: navigator.mediaDevices ? "off" : "impossible", retry: null };
    this.line = "";
    this.timer = 0;
    const root = this.attachShadow({ mode: "open" });
    root.innerHTML = MARKUP;
    const style = new CSSStyleSheet(); // no rule of the page's about styles forbids it
    style.replaceSync(STYLE);
    root.adoptedStyleSheets = [style];
    this.find = (selector) => root.querySelector(selector);
    this.orb = new Orb(this.find(".circle"), this.find("#label"), this.find("#mute"));
    this.transcript = new Transcript(this.find("#captions"), {
      announce: (text) => (this.find("#announcer").textContent = text),
    });
    this.listen();
    this.show();
  }

  disconnectedCallback() {
    this.client?.close();
  }

  // --- what the person presses ---------------------------------------------------------------------------------

  listen() {
    const actions = {
      start: () => this.start(),
      microphone: () => this.client?.startMicrophone(),
      interrupt: () => this.client?.interrupt(),
      mute: () => this.client?.mute(true),
      unmute: () => this.client?.mute(false),
    };
    for (const button of [this.find(".circle"), this.find("#mute")]) {
      button.addEventListener("click", () => actions[button.dataset.action]?.());
    }
    this.find("#end").addEventListener("click", () => this.client?.close());
    this.find("#again").addEventListener("click", ({ target }) => {
      this.find(".notice").hidden = true;
      if (!this.client) return this.start();
      if (target.dataset.action === "sound") this.client.sound.resume();
      else this.client.startMicrophone();
    });
    this.find("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.write(this.find("#text").value.trim());
      this.find("#text").value = "";
    });
  }

  /** Begin a conversation; from a click, or browsers keep it silent. @param {{byVoice?: boolean}} [how] */
  async start({ byVoice = true } = {}) {
    if (this.client) return;
    this.find(".notice").hidden = true;
    const url = new URL("v1/realtime", this.server);
    const { agent, voice, instructions, language } = Object.fromEntries([...this.attributes].map(({ name, value }) => [name, value]));
    if (agent) url.searchParams.set("model", agent);
    const session = sessionOf({ voice, instructions, language });
    const microphone = byVoice && this.now.microphone !== "impossible";
    const prepare = (client) => this.follow(client);
    try {
      await connect(url, { apiKey: this.getAttribute("key") ?? undefined, session, microphone, prepare });
    } catch (error) {
      this.client?.close();
      this.complain("failed", error.message, true);
    }
  }

  /** Say something in writing, in the conversation that runs or in a new one. */
  write(text) {
    if (!text) return;
    if (!this.client) this.start({ byVoice: false });
    this.client?.sendText(text);
  }

  /** Where the server is. */
  get server() {
    return new URL(this.getAttribute("server") ?? new URL(".", import.meta.url), location.href);
  }

  // --- what the client tells -----------------------------------------------------------------------------------

  follow(client) {
    this.client = client;
    const on = {
      state: ({ state }) => this.enters(state),
      caption: (caption) => {
        this.find("#captions").hidden = false;
        this.transcript.show(caption);
      },
      interrupted: () => this.orb.cut(),
      level: (levels) => this.orb.hear(levels),
      line: (line) => (this.line = lineOf(line)),
      anew: () => this.transcript.divide("The connection was lost; what comes is a new conversation"),
      retry: (retry) => (this.now.retry = retry),
      unsent: ({ text }) => (this.find("#text").value = `${text} ${this.find("#text").value}`.trim()),
      microphone: ({ isOn, isMuted }) => {
        if (navigator.mediaDevices) this.now.microphone = isOn ? (isMuted ? "muted" : "on") : "off";
      },
      held: ({ isHeld }) => isHeld && this.complain("sound_held", "", false),
      problem: ({ code, message, isFatal }) => code !== "insecure_page" && this.complain(code, message, isFatal),
    };
    for (const [type, handle] of Object.entries(on)) {
      client.addEventListener(type, ({ detail }) => {
        if (this.client !== client) return;
        handle(detail);
        if (type !== "level") this.show();
      });
    }
    for (const type of EVENTS) {
      client.addEventListener(type, ({ detail }) => this.dispatchEvent(new CustomEvent(type, { detail })));
    }
  }

  enters(state) {
    this.now.state = state;
    if (state === "closed") [this.client, this.line] = [null, ""];
  }

  show() {
    const { state, microphone } = this.now;
    const { title, hint } = hintOf({ ...this.now, isAsking: this.client?.options.microphone });
    this.find("#status").textContent = title;
    this.find("#hint").textContent = (!isLost(state) && this.line) || hint;
    this.orb.show({ state, microphone, action: actionOf(this.now) });
    const { action, label } = microphoneKey(this.now);
    Object.assign(this.find("#mute"), { hidden: !["mute", "unmute"].includes(action), textContent: label });
    this.find("#mute").dataset.action = action;
    this.find("#end").hidden = !this.client;
  }

  complain(code, detail, isFatal) {
    const { title, text, action } = MESSAGES[code] ?? MESSAGES.server_error;
    clearTimeout(this.timer);
    this.find("#trouble").textContent = `${title}. ${detail || text}`;
    Object.assign(this.find("#again"), { hidden: !action || action === "key" });
    this.find("#again").dataset.action = action;
    this.find(".notice").hidden = false;
    if (!isFatal && !action) this.timer = setTimeout(() => (this.find(".notice").hidden = true), SHOWN_MS);
  }
}

customElements.define("stageflow-voice", StageflowVoice);
