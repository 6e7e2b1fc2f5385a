/**
 * Which of an answer's words have been heard, by the playback position. Pure.
 *
 * A server that speaks voice.v1 says where each word lies, and that decides. Any other says the text only, well before
 * its audio, and how long that will be is known when the last of it has come. Until then the words are laid along it
 * at the pace of the voice so far; after that the rest of the words share the rest of the audio.
 */

const FIRST_PACE = 15 / 24000; // characters a sample: ordinary speech, until we have heard this voice

/** A space, or a character of a script that has none. */
const WORD_ENDS = /[\s\u3040-\u30ff\u3400-\u9fff]/;

/** How fast a voice without word times speaks, in characters a sample; learned from answers that were heard whole. */
export class Pace {
  constructor() {
    this.charsPerSample = FIRST_PACE;
  }

  learn(chars, samples) {
    if (chars < 20 || samples < 12000) return;
    const pace = Math.min(3 * FIRST_PACE, Math.max(FIRST_PACE / 3, chars / samples));
    this.charsPerSample += (pace - this.charsPerSample) / 2;
  }
}

/** One answer's text, uncovered as it is heard. */
export class Reveal {
  constructor(pace) {
    this.pace = pace;
    this.text = "";
    this.times = []; // {chars, start, end} for each word whose place is known: the text up to its end, and where it lies
    this.chars = 0; // how far the text is uncovered without such times, not rounded to words
    this.at = 0; // the playback position in samples
    this.total = null;
    this.state = "open"; // open; heard; or cutting, until it is known how much was heard, and then cut
  }

  push(delta) {
    this.text += delta;
  }

  /** Where the next words lie. @param {{text: string, start_sample: number, end_sample: number}[]} words */
  time(words) {
    for (const { text, start_sample: start, end_sample: end } of words) {
      this.times.push({ chars: (this.times.at(-1)?.chars ?? 0) + text.length, start, end });
    }
  }

  /** All the audio there will be has come. */
  end(totalSamples) {
    this.total = totalSamples;
  }

  /** The voice has ended before the text: what has no place in it will never be said. */
  breakOff() {
    if (this.times.length) this.text = this.text.slice(0, this.times.at(-1).chars);
  }

  /** Nobody will hear the rest; what was heard until now may still become known. */
  cut() {
    if (this.state === "open") this.state = "cutting";
  }

  /** It is known how much was heard. */
  settle() {
    if (this.state === "cutting") this.state = "cut";
  }

  /** Playback has come to `samples`. */
  move(samples) {
    if (this.state === "heard" || this.state === "cut" || samples < this.at) return;
    const isOver = this.total !== null && samples >= this.total;
    if (!this.times.length && !isOver && this.state === "open") this.advance(samples);
    this.at = samples;
    if (!isOver || this.state !== "open") return;
    this.state = "heard";
    if (!this.times.length) this.pace.learn(this.text.length, this.total);
  }

  advance(samples) {
    const left = this.text.length - this.chars;
    const pace = this.total === null ? this.pace.charsPerSample : left / (this.total - this.at);
    this.chars = Math.min(this.text.length, this.chars + (samples - this.at) * pace);
  }

  /** Whole words: a word shows when it begins, and stays when it was heard to its end. */
  get heard() {
    if (this.state === "heard") return this.text;
    if (this.times.length) return this.text.slice(0, this.timedChars());
    if (this.chars === 0) return "";
    const end = this.text.slice(Math.floor(this.chars)).search(WORD_ENDS);
    return end < 0 ? this.text : this.text.slice(0, Math.floor(this.chars) + end);
  }

  timedChars() {
    const isThere = this.state === "open" ? ({ start }) => start < this.at : ({ end }) => end <= this.at;
    return this.times.findLast(isThere)?.chars ?? 0;
  }
}
