/** Telephone quality: G.711 µ-law at 8 kHz, to and from the 24 kHz of this page. Pure. */

import { Resampler } from "./capture-worklet.js";

const FULL_HZ = 24000;
const TELEPHONE_HZ = 8000;
const LAG_SAMPLES = 16; // what the resampler wants to know of the future, at 8 kHz
const BIAS = 132;
const MOST = 32635;

/** What each of the 256 codes stands for. */
const LEVELS = Int16Array.from({ length: 256 }, (_, code) => {
  const bits = ~code & 0xff;
  const magnitude = ((((bits & 0x0f) << 3) + BIAS) << ((bits >> 4) & 7)) - BIAS;
  return bits & 0x80 ? -magnitude : magnitude;
});

/** @param {number} sample 16 bit @returns {number} its code */
export function encodeSample(sample) {
  const sign = sample < 0 ? 0x80 : 0;
  const magnitude = Math.min(MOST, Math.abs(sample)) + BIAS;
  const exponent = 31 - Math.clz32(magnitude) - 7;
  const mantissa = (magnitude >> (exponent + 3)) & 0x0f;
  return ~(sign | (exponent << 4) | mantissa) & 0xff;
}

/** @param {number} code @returns {number} 16 bit */
export function decodeSample(code) {
  return LEVELS[code];
}

/** The microphone's way: 16 bit at 24 kHz in, codes at 8 kHz out. */
export class TelephoneEncoder {
  constructor() {
    this.resampler = new Resampler(FULL_HZ, TELEPHONE_HZ);
  }

  /** @param {Int16Array} samples @returns {Uint8Array} */
  encode(samples) {
    return Uint8Array.from(resampled(this.resampler, samples), (sample) => encodeSample(clipped(sample)));
  }
}

/** An answer's way: codes at 8 kHz in, three samples at 24 kHz out for each of them, 2 ms late. */
export class TelephoneDecoder {
  constructor() {
    this.resampler = new Resampler(TELEPHONE_HZ, FULL_HZ);
    this.resampler.process(new Float32Array(LAG_SAMPLES), () => {});
  }

  /** @param {Uint8Array} codes @returns {Int16Array} */
  decode(codes) {
    return Int16Array.from(resampled(this.resampler, Array.from(codes, decodeSample)), clipped);
  }
}

function resampled(resampler, samples) {
  const made = [];
  resampler.process(Float32Array.from(samples), (sample) => made.push(sample));
  return made;
}

function clipped(sample) {
  return Math.max(-32768, Math.min(32767, Math.round(sample)));
}
