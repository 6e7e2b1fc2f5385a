/**
 * The speaker's end of the audio thread: a ring of chunks that knows, to the sample, what has been heard.
 *
 * Chunks carry the epoch and the answer (`item`, a number that rises) they belong to, and where in the answer they lie.
 * A flush throws away everything of an older epoch, `drop` the rest of one answer. The voice never stops on a step:
 * every change of loudness is a ramp. `PlaybackBuffer` is pure.
 */

/** Which gain each mode goes to, and how long the whole way from 0 to 1 takes. */
const RAMPS = {
  play: { target: 1, ms: 120 },
  duck: { target: 0.25, ms: 60 },
  pause: { target: 0, ms: 25 },
  flush: { target: 0, ms: 8 },
};
const REPORT_MS = 40;
const REPORT_SAMPLES = 16384; // and more than that is never rendered between two reports
const MAX_CHUNKS = 4096;
const HEARD_RING = 512;

export class PlaybackBuffer {
  constructor(rateHz) {
    this.rateHz = rateHz;
    this.chunks = new Array(MAX_CHUNKS);
    this.first = 0;
    this.count = 0;
    this.at = 0; // within the first chunk
    this.epoch = 0;
    this.dropped = -1;
    this.mode = "play"; // a key of RAMPS
    this.gain = 1;
    this.item = -1;
    this.played = 0;
    this.underruns = 0;
    this.isRunning = false;
    this.endsAt = new Map(); // item -> all of its samples, when that is known
    this.heardRing = Array.from({ length: HEARD_RING }, () => ({ frames: 0, item: -1, played: 0 }));
    this.heardAt = 0;
  }

  /** @returns {boolean} whether the chunk was taken */
  write(chunk) {
    if (this.isStale(chunk) || this.count === MAX_CHUNKS || !chunk.samples.length) return false;
    this.chunks[(this.first + this.count) % MAX_CHUNKS] = chunk;
    this.count += 1;
    return true;
  }

  /** No more than `samples` samples belong to the answer `item`: running dry there is no underrun. */
  end({ item, samples }) {
    this.endsAt.clear();
    this.endsAt.set(item, samples);
  }

  duck() {
    if (this.mode === "play") this.mode = "duck";
  }

  pause() {
    if (this.mode !== "flush") this.mode = "pause";
  }

  resume() {
    if (this.mode !== "flush") this.mode = "play";
  }

  /** Throw away everything of an epoch before `epoch`, fading out within 8 ms. */
  flush({ epoch }) {
    this.epoch = Math.max(this.epoch, epoch);
    this.mode = "flush";
  }

  /** Throw away the rest of the answer `item` and of all before it, whether it is here or still on its way. */
  drop({ item }) {
    this.dropped = Math.max(this.dropped, item);
    this.mode = "flush";
  }

  /** Fill `out` and move on. */
  read(out) {
    let energy = 0;
    let i = 0;
    for (; i < out.length; i++) {
      let chunk = this.chunk();
      if (this.mode === "flush" && (this.gain === 0 || chunk === null || !this.isStale(chunk))) {
        this.clear();
        chunk = this.chunk();
      }
      if (chunk === null) break;
      this.step();
      if (this.gain === 0 && this.mode === "pause") break;
      out[i] = (chunk.samples[this.at] / 32768) * this.gain;
      energy += out[i] * out[i];
      this.at += 1;
      this.item = chunk.item;
      this.played = chunk.offset + this.at;
    }
    out.fill(0, i);
    this.note(i > 0, i < out.length);
    this.remember(out.length);
    return Math.sqrt(energy / out.length);
  }

  /** What has left the loudspeaker, `lagSamples` after it was read. */
  heard(lagSamples) {
    let place;
    for (let back = 1, frames = 0; back <= HEARD_RING; back++) {
      place = this.heardRing[(this.heardAt - back + HEARD_RING) % HEARD_RING];
      if (frames >= lagSamples) break;
      frames += place.frames;
    }
    return { item: place.item, played: place.played };
  }

  /** Samples that wait to be played. */
  get buffered() {
    let samples = -this.at;
    for (let i = 0; i < this.count; i++) samples += this.chunks[(this.first + i) % MAX_CHUNKS].samples.length;
    return Math.max(0, samples);
  }

  isStale({ epoch, item }) {
    return epoch < this.epoch || item <= this.dropped;
  }

  step() {
    const { target, ms } = RAMPS[this.mode];
    const step = 1000 / (ms * this.rateHz);
    this.gain = this.gain < target ? Math.min(target, this.gain + step) : Math.max(target, this.gain - step);
  }

  /** The chunk that is being played, or null when there is nothing. */
  chunk() {
    while (this.count) {
      const chunk = this.chunks[this.first];
      if (this.at < chunk.samples.length) return chunk;
      this.shift();
    }
    return null;
  }

  shift() {
    this.chunks[this.first] = undefined;
    this.first = (this.first + 1) % MAX_CHUNKS;
    this.count -= 1;
    this.at = 0;
  }

  /** Let go of what was flushed; what came since is of the new epoch and stays. */
  clear() {
    while (this.count && this.isStale(this.chunks[this.first])) this.shift();
    this.mode = "play";
    this.gain = 1;
    this.isRunning = false;
  }

  note(hasPlayed, isShort) {
    const isDry = isShort && this.gain > 0;
    if (hasPlayed) this.isRunning = true;
    if (!isDry) return;
    if (this.isRunning && this.played < (this.endsAt.get(this.item) ?? Infinity)) this.underruns += 1;
    this.isRunning = false;
  }

  remember(frames) {
    const place = this.heardRing[this.heardAt];
    place.frames = frames;
    place.item = this.item;
    place.played = this.played;
    this.heardAt = (this.heardAt + 1) % HEARD_RING;
  }
}

const COMMANDS = new Set(["write", "end", "duck", "pause", "resume", "flush", "drop"]);

/** The buffer behind messages: what the page orders comes in, blocks of sound and reports of them go out. */
export class Player {
  /** @param {(report: object) => void} post gets a report every 40 ms */
  constructor(rateHz, post) {
    this.rateHz = rateHz;
    this.post = post;
    this.buffer = new PlaybackBuffer(rateHz);
    this.lag = 0;
    this.level = 0;
    this.sinceReport = 0;
    this.sound = new Int16Array(REPORT_SAMPLES); // what has been played since the last report
  }

  obey([command, detail]) {
    if (command === "lag") this.lag = detail;
    else if (COMMANDS.has(command)) this.buffer[command](detail);
  }

  /** @param {Float32Array} out */
  render(out) {
    this.level = Math.max(this.level, this.buffer.read(out));
    for (let i = 0; i < out.length; i++) this.sound[this.sinceReport + i] = out[i] * 32767;
    this.sinceReport += out.length;
    if (this.sinceReport * 1000 >= REPORT_MS * this.rateHz) this.report();
  }

  report() {
    const { item, played, underruns, buffered, mode } = this.buffer;
    const heard = this.buffer.heard(this.lag);
    const sound = this.level > 0 ? this.sound.slice(0, this.sinceReport) : null;
    this.post({ item, played, heard, buffered, underruns, mode, level: this.level, sound });
    this.level = 0;
    this.sinceReport = 0;
  }
}

if (globalThis.registerProcessor) {
  class Playback extends AudioWorkletProcessor {
    constructor() {
      super();
      this.player = new Player(sampleRate, (report) => this.port.postMessage(report));
      this.port.onmessage = ({ data }) => this.player.obey(data);
    }

    process(inputs, [output]) {
      this.player.render(output[0]);
      for (let channel = 1; channel < output.length; channel++) output[channel].set(output[0]);
      return true;
    }
  }
  registerProcessor("voice-playback", Playback);
}
