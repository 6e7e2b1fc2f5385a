/**
 * Which of an answer's words have been heard, by the playback position. Pure.
 *
 * Text comes well before its audio, and how long the audio will be is known only when the last of it has come. Until
 * then words are laid along it at the pace of the voice so far; after that the rest of the words share the rest of the
 * audio. What has been shown stays.
 */

const FIRST_PACE = 15 / 24000; // characters a sample: ordinary speech, until we have heard this voice

/** How fast the voice speaks, in characters a sample; learned from every answer that was heard to its end. */
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
    this.chars = 0; // how far it is uncovered, not rounded to words
    this.at = 0; // the playback position in samples that goes with it
    this.total = null;
    this.state = "open"; // open, heard, cut
  }

  push(delta) {
    this.text += delta;
  }

  /** All the audio there will be has come. */
  end(totalSamples) {
    this.total = totalSamples;
  }

  /** Nobody will hear the rest. */
  cut() {
    if (this.state === "open") this.state = "cut";
  }

  /** Playback has come to `samples`. */
  move(samples) {
    if (this.state !== "open") return;
    if (this.total !== null && samples >= this.total) {
      this.pace.learn(this.text.length, this.total);
      this.state = "heard";
      return;
    }
    if (samples <= this.at) return;
    const left = this.text.length - this.chars;
    const pace = this.total === null ? this.pace.charsPerSample : left / (this.total - this.at);
    this.chars = Math.min(this.text.length, this.chars + (samples - this.at) * pace);
    this.at = samples;
  }

  /** The words that have been heard, whole ones only; a word shows when it begins. */
  get heard() {
    if (this.state === "heard") return this.text;
    if (this.chars === 0) return "";
    const end = this.text.slice(Math.floor(this.chars)).search(/\s/);
    return end < 0 ? this.text : this.text.slice(0, Math.floor(this.chars) + end);
  }
}
