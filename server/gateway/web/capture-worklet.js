/**
 * The microphone's end of the audio thread: blocks of any rate in, frames of 20 ms at 24 kHz out.
 *
 * Worklets cannot import in every browser, so the resampler lives here too. `Resampler` is pure.
 */

const FRAME_MS = 20;
const HALF_TAPS = 16;
const PHASES = 256;

/**
 * Changes the sampling rate with a windowed sinc (Blackman, 32 taps at the lower of both rates). Its output does not
 * depend on how the input was cut; it lags by 16 of those taps (0.67 ms at 24 kHz).
 */
export class Resampler {
  constructor(fromHz, toHz) {
    this.step = fromHz / toHz;
    this.stretch = Math.max(1, this.step);
    this.reach = Math.ceil(HALF_TAPS * this.stretch);
    this.kernel = makeKernel();
    this.held = new Float32Array(this.reach * 2 + 8192);
    this.count = this.reach; // silence before the first sample
    this.made = 0;
    this.spent = 0; // input samples that `held` has let go of
  }

  /** @param {Float32Array} input at most 4096 samples @param {(sample: number) => void} put */
  process(input, put) {
    if (this.step === 1) return input.forEach((sample) => put(sample));
    this.held.set(input, this.count);
    this.count += input.length;
    for (; this.next + this.reach < this.count; this.made++) put(this.sampleAt(this.next));
    const spent = Math.floor(this.next) - this.reach;
    if (spent <= 0) return;
    this.held.copyWithin(0, spent, this.count);
    this.count -= spent;
    this.spent += spent;
  }

  /** Where in `held` the next output sample lies. */
  get next() {
    return this.made * this.step + this.reach - this.spent;
  }

  sampleAt(position) {
    const first = Math.ceil(position - this.reach);
    const last = Math.floor(position + this.reach);
    let sum = 0;
    for (let i = Math.max(0, first); i <= last; i++) {
      const place = (Math.abs(i - position) / this.stretch) * PHASES;
      const index = Math.floor(place);
      if (index >= HALF_TAPS * PHASES) continue;
      const low = this.kernel[index];
      sum += this.held[i] * (low + (this.kernel[index + 1] - low) * (place - index));
    }
    return sum / this.stretch;
  }
}

/** Half of a symmetric kernel, from its middle outwards; its passband ends a little below half the lower rate. */
function makeKernel() {
  const cutoff = 0.92;
  return Float32Array.from({ length: HALF_TAPS * PHASES + 2 }, (_, index) => {
    const x = index / PHASES;
    if (x >= HALF_TAPS) return 0;
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * x * cutoff) / (Math.PI * x * cutoff);
    const turn = (Math.PI * x) / HALF_TAPS;
    return cutoff * sinc * (0.42 + 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn));
  });
}

/** Collects samples into frames of a fixed length, as 16-bit integers, each with its loudness. */
export class Framer {
  /** @param {(frame: {samples: Int16Array, level: number}) => void} onFrame `level` is the root mean square, 0 to 1 */
  constructor(frameSamples, onFrame) {
    this.onFrame = onFrame;
    this.frameSamples = frameSamples;
    this.begin();
  }

  begin() {
    this.samples = new Int16Array(this.frameSamples);
    this.filled = 0;
    this.energy = 0;
  }

  put(sample) {
    const clipped = Math.max(-1, Math.min(1, sample));
    this.samples[this.filled++] = Math.round(clipped * 32767);
    this.energy += clipped * clipped;
    if (this.filled < this.frameSamples) return;
    this.onFrame({ samples: this.samples, level: Math.sqrt(this.energy / this.frameSamples) });
    this.begin();
  }
}

if (globalThis.registerProcessor) {
  class Capture extends AudioWorkletProcessor {
    constructor({ processorOptions: { rateHz } }) {
      super();
      this.resampler = new Resampler(sampleRate, rateHz);
      const framer = new Framer((rateHz * FRAME_MS) / 1000, (frame) =>
        this.port.postMessage(frame, [frame.samples.buffer]),
      );
      this.put = framer.put.bind(framer);
    }

    process([input]) {
      if (input.length) this.resampler.process(input[0], this.put);
      return true;
    }
  }
  registerProcessor("voice-capture", Capture);
}
