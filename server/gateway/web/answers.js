/** The answers of one session as the client knows them: their audio, their words, and how much was heard. Pure. */

import { Pace, Reveal } from "./captions.js";
import { readSamples } from "./frames.js";
import { TelephoneDecoder } from "./g711.js";

const KEPT = 32;

/** Samples at 24 kHz for one at 8 kHz. */
const TELEPHONE_SCALE = 3;

/**
 * One spoken message of the agent. `number` rises from answer to answer; audio chunks carry it. `received` and `played` are
 * samples at 24 kHz; the server counts in its own format, of which each sample is `scale` of ours.
 */
class Answer {
  constructor(id, number, pace, isTelephone) {
    this.id = id;
    this.number = number;
    this.received = 0;
    this.played = 0;
    this.words = new Reveal(pace);
    this.decoder = isTelephone ? new TelephoneDecoder() : null;
    this.scale = isTelephone ? TELEPHONE_SCALE : 1;
  }

  /** A frame of it, as 24 kHz. @param {DataView} data in the server's format @returns {Int16Array} */
  decode(data) {
    if (!this.decoder) return readSamples(data);
    return this.decoder.decode(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  /** Where the server says that words lie. @param {{text: string, start_sample: number, end_sample: number}[]} words */
  time(words) {
    const { scale } = this;
    this.words.time(words.map(({ text, start_sample, end_sample }) => ({ text, start_sample: start_sample * scale, end_sample: end_sample * scale })));
  }

  /** Whether no more of it is to be heard. */
  get isCut() {
    return this.words.state === "cutting" || this.words.state === "cut";
  }

  get caption() {
    const { text, heard, state } = this.words;
    const status = { open: "partial", heard: "final", cutting: "partial", cut: "interrupted" }[state];
    return { id: this.id, role: "agent", text: heard, rest: state === "open" ? text.slice(heard.length) : "", status };
  }
}

export class Answers {
  constructor() {
    this.pace = new Pace();
    this.list = [];
    this.numbers = 0;
  }

  /** The one that audio without a name belongs to. */
  get last() {
    return this.list.at(-1);
  }

  /** @param {string} id @param {{type?: string}} [format] of its audio */
  add(id, format) {
    this.list.push(new Answer(id, this.numbers++, this.pace, format?.type === "audio/pcmu"));
    if (this.list.length > KEPT) this.list.shift();
    return this.last;
  }

  find(id) {
    return this.list.find((answer) => answer.id === id);
  }

  numbered(number) {
    return this.list.find((answer) => answer.number === number);
  }
}
