/**
 * The wire format of voice.v1's audio frames, and samples as the Realtime protocol writes them.
 *
 * A frame is 12 bytes of header, little-endian, and then 16-bit samples:
 * `u8 kind` (1: audio), `u8 stream` (0: microphone, 1: answer), `u16` 0, `u32 epoch`, `u32 offset` in samples.
 *
 * Pure: no browser API.
 */

export const HEADER_BYTES = 12;
export const MICROPHONE = 0;
export const ANSWER = 1;
const AUDIO = 1;

/**
 * @param {{stream: number, epoch: number, offset: number, samples: Int16Array | Uint8Array}} frame samples, or codes of G.711
 * @returns {ArrayBuffer}
 */
export function encodeFrame({ stream, epoch, offset, samples }) {
  const frame = new ArrayBuffer(HEADER_BYTES + samples.byteLength);
  const view = new DataView(frame);
  view.setUint8(0, AUDIO);
  view.setUint8(1, stream);
  view.setUint32(4, epoch, true);
  view.setUint32(8, offset, true);
  if (samples.BYTES_PER_ELEMENT === 1) new Uint8Array(frame, HEADER_BYTES).set(samples);
  else for (let i = 0; i < samples.length; i++) view.setInt16(HEADER_BYTES + i * 2, samples[i], true);
  return frame;
}

/**
 * @param {ArrayBuffer} frame
 * @returns {{stream: number, epoch: number, offset: number, data: DataView} | null} null for what is no audio frame; `data`
 *     is what follows the header, samples in the session's format
 */
export function decodeFrame(frame) {
  if (frame.byteLength < HEADER_BYTES) return null;
  const view = new DataView(frame);
  if (view.getUint8(0) !== AUDIO) return null;
  return {
    stream: view.getUint8(1),
    epoch: view.getUint32(4, true),
    offset: view.getUint32(8, true),
    data: new DataView(frame, HEADER_BYTES),
  };
}

/** @param {string} text base64 of 16-bit samples @returns {Int16Array} */
export function samplesFromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  return readSamples(new DataView(bytes.buffer));
}

/** @param {Int16Array} samples @returns {string} */
export function base64FromSamples(samples) {
  const bytes = new Uint8Array(encodeFrame({ stream: MICROPHONE, epoch: 0, offset: 0, samples }), HEADER_BYTES);
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return btoa(text);
}

/** @param {DataView} view of whole samples @returns {Int16Array} */
export function readSamples(view) {
  const samples = new Int16Array(view.byteLength >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(i * 2, true);
  return samples;
}
