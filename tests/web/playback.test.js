import assert from "node:assert/strict";
import test from "node:test";

import { PlaybackBuffer } from "../../server/gateway/web/playback-worklet.js";

const RATE_HZ = 1000; // a sample a millisecond: the ramps are easy to count
const LOUD = 16384;

function chunk(samples, { epoch = 0, item = 0, offset = 0, value = LOUD } = {}) {
  return { epoch, item, offset, samples: new Int16Array(samples).fill(value) };
}

function read(buffer, samples) {
  const out = new Float32Array(samples);
  buffer.read(out);
  return [...out];
}

test("chunks are played in order, and the position is exact", () => {
  const buffer = new PlaybackBuffer(RATE_HZ);
  buffer.write(chunk(3, { value: 8192 }));
  buffer.write(chunk(3, { offset: 3 }));
  assert.equal(buffer.buffered, 6);
  assert.deepEqual(read(buffer, 4), [0.25, 0.25, 0.25, 0.5]);
  assert.deepEqual([buffer.item, buffer.played, buffer.buffered], [0, 4, 2]);
});

test("running dry is an underrun, the end of an answer is not", () => {
  const buffer = new PlaybackBuffer(RATE_HZ);
  buffer.write(chunk(4));
  assert.deepEqual(read(buffer, 8).slice(4), [0, 0, 0, 0]);
  assert.equal(buffer.underruns, 1);
  read(buffer, 8);
  assert.equal(buffer.underruns, 1);
  buffer.write(chunk(4, { offset: 4 }));
  buffer.end({ item: 0, samples: 8 });
  read(buffer, 8);
  assert.equal(buffer.underruns, 1);
});

test("what is heard lags behind what was read", () => {
  const buffer = new PlaybackBuffer(RATE_HZ);
  buffer.write(chunk(20));
  for (let i = 0; i < 4; i++) read(buffer, 4);
  assert.equal(buffer.heard(0).played, 16);
  assert.equal(buffer.heard(8).played, 8);
  for (let i = 0; i < 6; i++) read(buffer, 4);
  assert.deepEqual(buffer.heard(8), { item: 0, played: 20 });
});

test("a ducked voice goes on, softly, and without a step", () => {
  const buffer = new PlaybackBuffer(RATE_HZ);
  buffer.write(chunk(400));
  buffer.duck();
  const out = read(buffer, 100);
  for (let i = 1; i < out.length; i++) assert.ok(Math.abs(out[i] - out[i - 1]) <= 0.5 / 60 + 1e-6);
  assert.equal(out[99], 0.125);
  assert.equal(buffer.played, 100);
  buffer.resume();
  assert.equal(read(buffer, 200)[199], 0.5);
});

test("a paused voice stays where it is, and nothing of it is lost", () => {
  const buffer = new PlaybackBuffer(RATE_HZ);
  buffer.write(chunk(200));
  buffer.pause();
  read(buffer, 100);
  const { played } = buffer;
  assert.ok(played <= 26);
  assert.deepEqual(read(buffer, 50), new Array(50).fill(0));
  assert.equal(buffer.played, played);
  assert.equal(buffer.underruns, 0);
  buffer.resume();
  read(buffer, 200);
  assert.equal(buffer.played, 200);
});

test("a flush fades out and throws away what is of an older epoch, whenever it comes", () => {
  const buffer = new PlaybackBuffer(RATE_HZ);
  buffer.write(chunk(100));
  read(buffer, 10);
  buffer.flush({ epoch: 1 });
  const out = read(buffer, 20);
  assert.ok(out[0] < 0.5 && out[0] > out[3] && out[3] > 0);
  assert.deepEqual(out.slice(8), new Array(12).fill(0));
  assert.ok(buffer.played <= 18);
  assert.equal(buffer.buffered, 0);
  assert.equal(buffer.write(chunk(100)), false);
  assert.equal(buffer.write(chunk(100, { epoch: 1, item: 1 })), true);
  assert.deepEqual(read(buffer, 2), [0.5, 0.5]);
});

test("a flush of nothing leaves the next answer alone", () => {
  const buffer = new PlaybackBuffer(RATE_HZ);
  buffer.flush({ epoch: 1 });
  buffer.write(chunk(100, { epoch: 1 }));
  assert.deepEqual(read(buffer, 2), [0.5, 0.5]);
});

test("a paused voice that is flushed is silent at once, and the next answer is not", () => {
  const buffer = new PlaybackBuffer(RATE_HZ);
  buffer.write(chunk(100));
  buffer.pause();
  read(buffer, 50);
  buffer.flush({ epoch: 3 });
  buffer.write(chunk(10, { epoch: 3, item: 1 }));
  assert.equal(read(buffer, 4)[0], 0.5);
  assert.equal(buffer.item, 1);
});

test("a dropped answer is dropped whole, the next one is not", () => {
  const buffer = new PlaybackBuffer(RATE_HZ);
  buffer.write(chunk(100));
  read(buffer, 10);
  buffer.drop({ item: 0 });
  read(buffer, 20);
  assert.equal(buffer.write(chunk(100, { offset: 100 })), false);
  assert.equal(buffer.write(chunk(100, { item: 1 })), true);
});

test("it holds no more than it can", () => {
  const buffer = new PlaybackBuffer(RATE_HZ);
  let taken = 0;
  while (buffer.write(chunk(1, { offset: taken }))) taken += 1;
  assert.equal(taken, 4096);
  read(buffer, 96);
  assert.equal(buffer.buffered, 4000);
});
