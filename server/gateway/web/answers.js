/** The answers of one session as the client knows them: their audio, their words, and how much was heard. Pure. */

import { Pace, Reveal } from "./captions.js";

const KEPT = 32;

/** One spoken message of the agent. `number` rises from answer to answer; audio chunks carry it. */
class Answer {
  constructor(id, number, pace) {
    this.id = id;
    this.number = number;
    this.received = 0;
    this.played = 0;
    this.words = new Reveal(pace);
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

  add(id) {
    this.list.push(new Answer(id, this.numbers++, this.pace));
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
