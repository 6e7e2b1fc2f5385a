import assert from "node:assert/strict";
import test from "node:test";

import { ANSWER, base64FromSamples, decodeFrame, encodeFrame, readSamples, samplesFromBase64 } from "../../server/gateway/web/frames.js";

test("a frame is twelve bytes of header, little-endian, and its samples", () => {
  const frame = encodeFrame({ stream: ANSWER, epoch: 0x01020304, offset: 480, samples: Int16Array.of(1, -2) });
  assert.deepEqual([...new Uint8Array(frame)], [1, 1, 0, 0, 4, 3, 2, 1, 0xe0, 1, 0, 0, 1, 0, 0xfe, 0xff]);
});

test("what was encoded is decoded", () => {
  const frame = { stream: ANSWER, epoch: 4294967295, offset: 4294967295, samples: Int16Array.of(-32768, 0, 32767) };
  const { data, ...header } = decodeFrame(encodeFrame(frame));
  assert.deepEqual({ ...header, samples: readSamples(data) }, frame);
});

test("codes of one byte lie in a frame as they are", () => {
  const frame = encodeFrame({ stream: ANSWER, epoch: 0, offset: 0, samples: Uint8Array.of(255, 0, 7) });
  assert.deepEqual([...new Uint8Array(frame)].slice(12), [255, 0, 7]);
});

test("what is no audio frame is none", () => {
  for (const bytes of [[], [1, 1, 0, 0], [2, ...new Array(13).fill(0)], new Array(11).fill(1)]) {
    assert.equal(decodeFrame(Uint8Array.from(bytes).buffer), null);
  }
});

test("base64 holds the samples, however many", () => {
  const samples = Int16Array.from({ length: 10001 }, (_, i) => (i * 7919) % 65536);
  assert.deepEqual(samplesFromBase64(base64FromSamples(samples)), samples);
  assert.equal(base64FromSamples(Int16Array.of(1, -2)), "AQD+/w==");
});
