/**
 * Both sides of a conversation as they were heard, on one line of time. Pure: times and a maker of blobs come in.
 *
 * A browser may keep blobs on disk, so every few seconds of samples become one; what stays in memory is small however long
 * the conversation lasts.
 */

const RATE_HZ = 24000;
const BLOCK_SAMPLES = RATE_HZ * 10;
const PEAK_SAMPLES = RATE_HZ / 10;
const SLIP_SAMPLES = RATE_HZ / 10; // a side that is so much behind was not heard meanwhile
const MOST_S = 2 * 3600;

/** One side. */
export class Track {
  /** @param {(samples: Int16Array) => Blob} store */
  constructor(store) {
    this.store = store;
    this.blobs = [];
    this.block = new Int16Array(BLOCK_SAMPLES);
    this.filled = 0;
    this.peaks = []; // the loudest sample of each tenth of a second, 0 to 1
    this.length = 0;
  }

  /** What was heard until `atMs`. @param {Int16Array} samples @param {number} atMs after the beginning */
  append(samples, atMs) {
    if (this.length >= MOST_S * RATE_HZ) return;
    const begins = Math.round((atMs * RATE_HZ) / 1000) - samples.length;
    if (begins - this.length > SLIP_SAMPLES) this.fill(begins);
    for (const sample of samples) this.put(sample);
  }

  /** Silence until there are so many samples. */
  fill(length) {
    while (this.length < length) this.put(0);
  }

  put(sample) {
    this.block[this.filled++] = sample;
    const place = Math.floor(this.length++ / PEAK_SAMPLES);
    this.peaks[place] = Math.max(this.peaks[place] ?? 0, Math.abs(sample) / 32768);
    if (this.filled < BLOCK_SAMPLES) return;
    this.blobs.push(this.store(this.block));
    this.block = new Int16Array(BLOCK_SAMPLES);
    this.filled = 0;
  }

  /** One block of it after the other, the last one shorter. @returns {AsyncGenerator<Int16Array>} */
  async *blocks() {
    for (const blob of this.blobs) yield new Int16Array(await blob.arrayBuffer());
    yield this.block.slice(0, this.filled);
  }
}

export class Recording {
  /** @param {(samples: Int16Array) => Blob} [store] */
  constructor(store = (samples) => new Blob([samples])) {
    this.person = new Track(store);
    this.agent = new Track(store);
  }

  get seconds() {
    return Math.max(this.person.length, this.agent.length) / RATE_HZ;
  }

  /** As a WAV file: the person left, the agent right; or, with `mixed`, both in one channel. @returns {Promise<Blob>} */
  async wav({ mixed = false } = {}) {
    const length = Math.max(this.person.length, this.agent.length);
    for (const track of [this.person, this.agent]) track.fill(length);
    const parts = [header(length, mixed ? 1 : 2)];
    const others = this.agent.blocks();
    for await (const left of this.person.blocks()) {
      const { value: right } = await others.next();
      parts.push(mixed ? sum(left, right) : interleaved(left, right));
    }
    return new Blob(parts, { type: "audio/wav" });
  }
}

function sum(left, right) {
  return left.map((sample, i) => Math.max(-32768, Math.min(32767, sample + right[i])));
}

function interleaved(left, right) {
  const both = new Int16Array(left.length * 2);
  for (let i = 0; i < left.length; i++) {
    both[2 * i] = left[i];
    both[2 * i + 1] = right[i];
  }
  return both;
}

function header(length, channels) {
  const view = new DataView(new ArrayBuffer(44));
  const bytes = length * channels * 2;
  const text = (at, word) => [...word].forEach((char, i) => view.setUint8(at + i, char.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, RATE_HZ, true);
  view.setUint32(28, RATE_HZ * channels * 2, true);
  view.setUint16(32, channels * 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
  return view.buffer;
}
