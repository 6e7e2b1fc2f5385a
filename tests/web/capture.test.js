import assert from "node:assert/strict";
import test from "node:test";

import { Framer, Resampler } from "../../server/gateway/web/capture-worklet.js";

function tone(hz, rateHz, seconds) {
  return Float32Array.from({ length: rateHz * seconds }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rateHz));
}

function resample(input, fromHz, toHz, cut = 128) {
  const resampler = new Resampler(fromHz, toHz);
  const output = [];
  for (let i = 0; i < input.length; i += cut) resampler.process(input.subarray(i, i + cut), (sample) => output.push(sample));
  return output;
}

/** Loudness in decibels against a full tone, without the first and last tenth. */
function decibels(samples) {
  const middle = samples.slice(samples.length / 10, (samples.length * 9) / 10);
  return 10 * Math.log10(middle.reduce((sum, sample) => sum + sample * sample, 0) / middle.length / 0.5);
}

for (const [fromHz, toHz] of [[48000, 24000], [44100, 24000], [16000, 24000], [96000, 24000]]) {
  test(`speech passes from ${fromHz} to ${toHz} Hz`, () => {
    for (const hz of [100, 1000, 3400, 5500]) {
      const output = resample(tone(hz, fromHz, 0.5), fromHz, toHz);
      assert.ok(Math.abs(output.length - toHz / 2) <= toHz / 500, `${output.length} samples`);
      assert.ok(Math.abs(decibels(output)) < 0.5, `${hz} Hz: ${decibels(output)} dB`);
    }
  });
}

test("what 24 kHz cannot hold does not come back as something else", () => {
  for (const hz of [13500, 15000, 20000]) {
    assert.ok(decibels(resample(tone(hz, 48000, 0.5), 48000, 24000)) < -60, `${hz} Hz`);
  }
});

test("the output does not depend on how the input was cut", () => {
  const input = tone(440, 44100, 0.2);
  const whole = resample(input, 44100, 24000, 4096);
  for (const cut of [1, 7, 128, 1000]) assert.deepEqual(resample(input, 44100, 24000, cut).slice(0, 4000), whole.slice(0, 4000));
});

test("at the same rate nothing changes", () => {
  const input = tone(440, 24000, 0.1);
  assert.deepEqual(resample(input, 24000, 24000), [...input]);
});

test("frames are full, clipped and measured", () => {
  const frames = [];
  const framer = new Framer(4, (frame) => frames.push(frame));
  for (const sample of [0.5, -0.5, 2, -2, 0.25]) framer.put(sample);
  assert.equal(frames.length, 1);
  assert.deepEqual([...frames[0].samples], [16384, -16383, 32767, -32767]);
  assert.ok(Math.abs(frames[0].level - Math.sqrt(2.5 / 4)) < 1e-6);
});
