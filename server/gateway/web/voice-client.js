/**
 * Talk to a stageflow-voice server from a page of your own.
 *
 *     import { connect } from "./voice-client.js";
 *
 *     button.onclick = async () => {
 *       const voice = await connect("/v1/realtime");          // from a click: browsers want one before they make a sound
 *       voice.addEventListener("caption", ({ detail }) => console.log(detail.role, detail.text));
 *       voice.addEventListener("problem", ({ detail }) => console.warn(detail.code));
 *     };
 *
 * It takes this file and those beside it that it names. It speaks voice.v1 (binary audio; the server ducks and pauses the voice, and
 * is told what was heard) and falls back to plain Realtime, where it stops the voice by itself when the person speaks.
 *
 * Events, each a CustomEvent with its `detail`:
 *
 * | event         | detail |
 * | ------------- | --- |
 * | `state`       | `{state}`: connecting, stalled (the server does not answer), reconnecting, listening, hearing, thinking, speaking, starved (the sound is late), yielding, closed |
 * | `caption`     | `{id, role, text, rest, status}`: role "person" or "agent"; status "partial", "sending" (typed, and not yet with the server), "final" or "interrupted"; `rest` is what the agent has yet to say |
 * | `words`       | `{id, words}`: the next words of an answer, each `{text, start_sample, end_sample}`: where it lies in the audio |
 * | `voices`      | `[{name, description}]`: those of the server, the default first; `configure` chooses one |
 * | `session`     | the server's session object, when it begins and when it changes |
 * | `interrupted` | `{}`: the agent was cut short |
 * | `level`       | `{input}` or `{output}`: loudness, 0 to 1 |
 * | `turn`        | the server's `x_turn`: why it did what it did |
 * | `metrics`     | the server's `x_metrics`: `ms` after the last voiced sample |
 * | `retry`       | `{attempt, delayMs, isResuming}`: the server is lost, and is tried again; after a minute it is given up |
 * | `anew`        | `{}`: the conversation is lost, and another one begins; without this, the same one goes on |
 * | `unsent`      | `{text}`: typed, and not answered before the connection was lost; to be offered again |
 * | `line`        | `{isSlow, isSaving, roundTripMs}`: how good the line is, and whether speech goes in telephone quality |
 * | `microphone`  | `{isOn, isMuted, isHeld, deviceId}`; `isHeld`: the device has taken it away, for a call perhaps |
 * | `held`        | `{isHeld}`: the device has taken the loudspeaker away, until the page is touched |
 * | `problem`     | `{code, message, isFatal}`; codes are listed in `messages.js` |
 */

import { Answers } from "./answers.js";
import { Connection } from "./connection.js";
import { ANSWER, decodeFrame } from "./frames.js";
import { LineWatch } from "./line-watch.js";
import { Outbox } from "./outbox.js";
import { Playout } from "./playout.js";
import { HANDLERS, personSays } from "./server-events.js";
import { sessionUpdate, updated } from "./session-updates.js";
import { Sound } from "./sound.js";
import { RATE_HZ } from "./speaker.js";
import { Uplink } from "./uplink.js";

/**
 * @param {string} [url] of the server's `/v1/realtime`; without one, that of the page's own server
 * @param {object} [options]
 * @param {string} [options.apiKey] one of the server's keys, if it was started with any
 * @param {boolean} [options.microphone] false to begin without; `startMicrophone` adds it
 * @param {string} [options.microphoneId] which one
 * @param {string} [options.speakerId] which loudspeaker, where the browser lets us choose
 * @param {object} [options.session] fields of Realtime's session object to send with `session.update`
 * @param {(client: VoiceClient) => void} [options.prepare] gets the client before anything happens, to listen to events
 * @returns {Promise<VoiceClient>} on its way to the server; `state` tells when it is there
 */
export async function connect(url = "/v1/realtime", options = {}) {
  const client = new VoiceClient(url, options);
  options.prepare?.(client);
  await client.open();
  return client;
}

export class VoiceClient extends EventTarget {
  constructor(url, options) {
    super();
    this.options = options;
    this.connection = new Connection(url, options.apiKey);
    this.session = updated({ audio: { input: { transcription: { model: "default" } } } }, options.session ?? {});
    this.answers = new Answers();
    this.outbox = new Outbox();
    this.sound = new Sound();
    this.link = "connecting"; // connecting, open, stalled, reconnecting, closed
    this.person = "silent"; // silent, speaking, waiting (for an answer)
    this.reply = null; // the id of the answer that the server is giving
    this.replyFormat = undefined; // and what its audio comes in
    this.partial = { id: "", text: "" }; // what the person is saying, as far as it is known
    this.epoch = 0; // the newest the server has spoken of
    this.epochBase = 0; // a new session counts from 0 again; the speaker does not
    this.uplink = new Uplink(this.connection);
    this.told = "";
    const { connection } = this;
    const send = (event) => connection.isVoice && connection.send(event);
    this.playout = new Playout(this.answers, (type, detail) => this.tell(type, detail), send);
    connection.addEventListener("open", () => this.began());
    connection.addEventListener("event", ({ detail }) => this.obey(detail));
    connection.addEventListener("audio", ({ detail }) => this.takeFrame(detail));
    connection.addEventListener("silence", ({ detail }) => this.stalls(detail));
    connection.addEventListener("retry", ({ detail }) => this.retries(detail));
    connection.addEventListener("resumed", () => this.resumes());
    connection.addEventListener("anew", () => this.beginsAnew());
    const line = new LineWatch(connection);
    line.addEventListener("line", ({ detail }) => this.tell("line", detail));
    line.addEventListener("quality", ({ detail }) => this.configure(detail));
    connection.addEventListener("problem", ({ detail }) => this.ended({ ...detail, isFatal: true }));
    const { sound } = this;
    sound.addEventListener("report", ({ detail }) => this.follow(detail));
    sound.addEventListener("frame", ({ detail }) => {
      this.tell("level", { input: detail.level });
      this.uplink.send(detail.samples);
    });
    sound.addEventListener("problem", ({ detail }) => this.tell("problem", { ...detail, isFatal: false }));
    for (const type of ["microphone", "held"]) sound.addEventListener(type, ({ detail }) => this.tell(type, detail));
  }

  get speaker() {
    return this.sound.speaker;
  }

  get microphone() {
    return this.sound.microphone;
  }

  // --- what a page asks for ----------------------------------------------------------------------------------

  /** @returns {string} as the event `state` has it */
  get state() {
    if (this.link !== "open") return this.link;
    if (this.playout.isAudible) return this.playout.isUndisturbed ? "speaking" : "yielding";
    if (this.playout.isStarved) return "starved";
    return { silent: "listening", speaking: "hearing", waiting: "thinking" }[this.person];
  }

  async open() {
    this.show();
    await this.sound.open(this.options.speakerId);
    if (this.options.microphone !== false && this.link !== "closed") await this.startMicrophone(this.options.microphoneId);
    if (this.link === "connecting") await this.connection.open();
  }

  /** Ask for the microphone, or for another one. When there is none, a `problem` says why, and typing still works. */
  startMicrophone(deviceId) {
    return this.sound.startMicrophone(deviceId);
  }

  /** Send silence instead of what the microphone hears. */
  mute(isMuted = true) {
    this.sound.mute(isMuted);
  }

  /** Stop the agent, as talking over it does. */
  interrupt() {
    const isAnswering = this.reply || this.person === "waiting"; // a spoken turn is answered before it is told
    if (isAnswering) this.connection.send({ type: "response.cancel" });
    if (this.playout.isAudible) this.silence(this.answers.last);
    if (this.person === "waiting") this.person = "silent";
    this.show();
  }

  /** Say something in writing; the answer is spoken all the same. While there is no line, it waits for one. */
  sendText(text) {
    this.interrupt();
    const note = this.outbox.add(text);
    personSays(this, note.id, text, "sending");
    if (this.connection.canSend) this.sendNotes([note]);
  }

  /** Change the session: fields of Realtime's session object. They hold when the server was lost and found again, too. */
  configure(session) {
    this.session = updated(this.session, session);
    this.connection.send(sessionUpdate(session));
    this.uplink.configure(this.session.audio.input.format); // the server obeys in order
  }

  /** Play through another loudspeaker; when it is gone, a `problem` says so and the voice stays where it is. */
  chooseSpeaker(deviceId) {
    return this.sound.chooseSpeaker(deviceId);
  }

  /** End the session; the client cannot be used again. */
  close() {
    this.connection.close();
    this.ended(null);
  }

  // --- the server --------------------------------------------------------------------------------------------

  began() {
    this.link = "open";
    this.person = "silent";
    this.reply = null;
    this.uplink.restart(this.session.audio.input.format);
    this.connection.send(sessionUpdate(this.session));
    this.sendNotes(this.outbox.waiting);
    this.show();
  }

  sendNotes(notes) {
    if (!notes.length) return;
    for (const { id, text } of notes) {
      const item = { id, type: "message", role: "user", content: [{ type: "input_text", text }] };
      this.connection.send({ type: "conversation.item.create", item });
    }
    this.connection.send({ type: "response.create" });
    this.person = "waiting";
    this.show();
  }

  obey(event) {
    HANDLERS[event.type]?.(this, event);
    this.show();
  }

  takeFrame(data) {
    const frame = decodeFrame(data);
    const answer = this.answers.last;
    if (frame?.stream === ANSWER && answer) this.play(answer, frame.epoch, frame.offset * answer.scale, answer.decode(frame.data));
  }

  play(answer, epoch, offset, samples) {
    answer.received = Math.max(answer.received, offset + samples.length);
    this.epoch = Math.max(this.epoch, this.epochBase + epoch);
    if (answer.isCut) return;
    this.speaker.write({ epoch: this.epochBase + epoch, item: answer.number, offset, samples });
  }

  /** Throw away all audio of older epochs: the person, or the page, has taken the floor. */
  flush(epoch) {
    this.epoch = this.epochBase + epoch;
    this.speaker.tell("flush", { epoch: this.epoch });
    const answer = this.answers.last;
    if (answer?.words.state === "open") this.playout.cut(answer);
  }

  /** Nobody shall hear any more of this answer. */
  silence(answer) {
    if (!answer || answer.words.state !== "open") return;
    this.speaker.tell("drop", { item: answer.number });
    const isTold = !this.connection.isVoice || !this.reply;
    if (isTold) this.truncate(answer);
    this.playout.cut(answer);
    if (isTold) this.playout.settle();
  }

  /** Without voice.v1 the server can only guess what was heard. */
  truncate({ id, played }) {
    const heardMs = Math.floor((played * 1000) / RATE_HZ);
    this.connection.send({ type: "conversation.item.truncate", item_id: id, content_index: 0, audio_end_ms: heardMs });
  }

  stalls({ isSilent }) {
    this.link = isSilent ? "stalled" : "open";
    this.show();
  }

  retries(detail) {
    this.link = "reconnecting";
    this.tell("retry", detail);
    this.show();
  }

  /** The line is back, and all goes on as it was. */
  resumes() {
    this.link = "open";
    this.playout.catchUp(performance.now());
    this.show();
  }

  /** The server has the conversation no more. */
  beginsAnew() {
    this.lose();
    this.tell("anew", {});
    this.giveBack(this.outbox.lost());
    for (const { id, text } of this.outbox.waiting) {
      personSays(this, id, "", "final"); // it belongs to the conversation that comes
      personSays(this, id, text, "sending");
    }
  }

  ended(problem) {
    if (this.link === "closed") return;
    this.link = "closed";
    this.lose();
    this.sound.close();
    for (const { id } of this.outbox.waiting) personSays(this, id, "", "final");
    this.giveBack([...(problem ? this.outbox.lost() : []), ...this.outbox.close()]);
    if (problem) this.tell("problem", problem);
    this.show();
  }

  giveBack(texts) {
    if (texts.length) this.tell("unsent", { text: texts.join(" ") });
  }

  /** The server is gone, and with it what the agent was about to say. */
  lose() {
    this.epochBase = this.epoch + 1;
    this.speaker?.tell("flush", { epoch: this.epochBase });
    this.playout.abandon(this.answers.last);
  }

  // --- sound -------------------------------------------------------------------------------------------------

  /** The speaker has played on. */
  follow(report) {
    this.playout.follow(report, performance.now());
    this.tell("level", { output: report.level });
    this.show();
  }

  // --- telling -----------------------------------------------------------------------------------------------

  show() {
    if (this.state === this.told) return;
    this.told = this.state;
    this.tell("state", { state: this.told });
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
