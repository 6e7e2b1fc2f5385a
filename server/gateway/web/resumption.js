/**
 * What a client needs to come back to its session over another socket, and lose nothing: the way back that the server has
 * offered, how many frames have come, and what was sent lately. `docs/protocol.md`, "When the line is lost". Pure.
 */

const KEPT_EVENTS = 1024;
const KEPT_AUDIO = 2500; // frames of 20 ms: 50 s, longer than the server usually waits

/** What was sent of one kind, by its number among all frames and its place among its own. */
class Sent {
  constructor(most) {
    this.most = most;
    this.list = [];
  }

  add(number, place, frame) {
    this.list.push({ number, place, frame });
    if (this.list.length > this.most) this.list.shift();
  }

  from(place) {
    return this.list.filter((one) => one.place >= place);
  }
}

export class Resumption {
  constructor() {
    this.token = null; // the newest way back; without one there is none
    this.isOffered = true; // until the server begins a session and offers none
    this.lastSeq = 0; // frames that have come
    this.frames = 0; // that were sent
    this.texts = 0; // those of them that are events
    this.events = new Sent(KEPT_EVENTS);
    this.audio = new Sent(KEPT_AUDIO);
  }

  /** Whether the session has begun. */
  get hasBegun() {
    return this.lastSeq > 0;
  }

  get canResume() {
    return this.token !== null;
  }

  /** The subprotocol that leads back. */
  get offer() {
    return `x-resume.${this.lastSeq}.${this.token}`;
  }

  /** A frame has come. @param {{type: string, x_resume?: object} | null} event null: audio */
  got(event) {
    this.lastSeq += 1;
    if (event?.type !== "session.created") return;
    this.isOffered = event.x_resume !== undefined;
    if (this.isOffered) this.learn(event.x_resume);
    else [this.events, this.audio] = [new Sent(0), new Sent(0)];
  }

  learn({ token }) {
    this.token = token;
  }

  /** An event is sent, or will be when the line is back. @param {string} frame */
  sent(frame) {
    this.keep(this.events, this.texts++, frame);
  }

  /** The same of audio. @param {ArrayBuffer} frame @param {number} offset where it lies in the microphone */
  sentAudio(frame, offset) {
    this.keep(this.audio, offset, frame);
  }

  keep(kind, place, frame) {
    if (this.isOffered) kind.add(this.frames++, place, frame);
  }

  /** What the server has not got, in order. @returns {(string | ArrayBuffer)[]} */
  missing({ received_events, microphone_offset }) {
    const all = [...this.events.from(received_events), ...this.audio.from(microphone_offset)];
    return all.sort((one, other) => one.number - other.number).map(({ frame }) => frame);
  }
}
