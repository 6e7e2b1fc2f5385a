import assert from "node:assert/strict";
import test from "node:test";

import { Answers } from "../../server/gateway/web/answers.js";
import { decodeSample, encodeSample, TelephoneDecoder, TelephoneEncoder } from "../../server/gateway/web/g711.js";
import { lineOf } from "../../server/gateway/web/hints.js";
import { Line } from "../../server/gateway/web/line.js";
import { Playout } from "../../server/gateway/web/playout.js";
import { Uplink } from "../../server/gateway/web/uplink.js";

const TICK_MS = 250;

/** Let a line run whose answers take `roundTripMs`; tells when it changed, and to what. */
function run(line, fromMs, toMs, roundTripMs, unsentBytes = 0) {
  const changes = [];
  let answerAtMs = line.askedAtMs === null ? Infinity : fromMs;
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += TICK_MS) {
    if (nowMs >= answerAtMs) {
      line.answered(answerAtMs);
      answerAtMs = Infinity;
    }
    const { ping, changed } = line.tick(nowMs, unsentBytes);
    if (ping) answerAtMs = nowMs + roundTripMs;
    if (changed) changes.push([nowMs - fromMs, line.isSlow, line.isSaving]);
  }
  return changes;
}

test("a good line is never called slow", () => {
  assert.deepEqual(run(new Line(), 0, 600_000, 300), []);
});

test("a slow line is named within five seconds, by its answers or by what waits to be sent", () => {
  for (const [roundTripMs, unsentBytes] of [[1400, 0], [Infinity, 0], [100, 60_000]]) {
    const line = new Line();
    run(line, 0, 60_000, 100);
    const [[afterMs, isSlow, isSaving]] = run(line, 60_250, 90_000, roundTripMs, unsentBytes);
    assert.ok(afterMs <= 5000, `${afterMs}`);
    assert.deepEqual([isSlow, isSaving], [true, true]);
  }
});

test("full quality comes back when the line has been good for a while, and is trusted later each time", () => {
  const line = new Line();
  run(line, 0, 5000, 2000);
  const waits = [];
  for (let round = 1, nowMs = 5250; round <= 2; round++) {
    const back = run(line, nowMs, nowMs + 100_000, 100).find(([, isSlow, isSaving]) => !isSlow && !isSaving);
    waits.push(back[0]);
    nowMs += 100_250;
    run(line, nowMs, nowMs + 5000, 2000);
    nowMs += 5250;
  }
  assert.ok(waits[0] >= 29_000 && waits[0] < 36_000 && waits[1] >= 59_000 && waits[1] < 66_000, `${waits}`);
});

test("it is said what is done about a slow line, and when it is over", () => {
  assert.match(lineOf({ isSlow: true, isSaving: true, roundTripMs: 1440 }), /slow \(1\.4 s there and back\).*telephone/);
  assert.match(lineOf({ isSlow: false, isSaving: true, roundTripMs: 100 }), /was slow/);
  assert.equal(lineOf({ isSlow: false, isSaving: false, roundTripMs: 100 }), "");
});

test("the codes are those of G.711", () => {
  const known = [[0, 0xff], [-1, 0x7f], [32767, 0x80], [-32768, 0x00], [1000, 0xce], [-1000, 0x4e]];
  for (const [sample, code] of known) assert.equal(encodeSample(sample), code, `${sample}`);
  for (let code = 0; code < 256; code++) {
    if (code !== 0x7f) assert.equal(encodeSample(decodeSample(code)), code); // 0x7f is a second zero
  }
});

test("telephone quality keeps a voice's tone, its loudness and its length", () => {
  const tone = (i) => Math.round(8000 * Math.sin((2 * Math.PI * 440 * i) / 24000));
  const encoder = new TelephoneEncoder();
  const decoder = new TelephoneDecoder();
  const heard = [];
  for (let frame = 0; frame < 50; frame++) {
    heard.push(...decoder.decode(encoder.encode(Int16Array.from({ length: 480 }, (_, i) => tone(frame * 480 + i)))));
  }
  assert.ok(Math.abs(heard.length - 24000) < 300, `${heard.length}`);
  const settled = heard.slice(2000, 22000);
  const rms = Math.sqrt(settled.reduce((sum, sample) => sum + sample * sample, 0) / settled.length);
  assert.ok(Math.abs(rms / (8000 / Math.SQRT2) - 1) < 0.05, `${rms}`);
  const crossings = settled.filter((sample, i) => i && sample >= 0 && settled[i - 1] < 0).length;
  assert.ok(Math.abs(crossings - (440 * settled.length) / 24000) <= 2, `${crossings}`);
});

test("the microphone counts its samples in the quality it has, whatever that was before", () => {
  const sent = [];
  const uplink = new Uplink({ isVoice: true, sendAudio: (frame) => sent.push(new DataView(frame)) });
  uplink.restart();
  uplink.send(new Int16Array(480));
  uplink.configure({ type: "audio/pcmu" });
  for (let i = 0; i < 3; i++) uplink.send(new Int16Array(480));
  assert.deepEqual(sent.map((view) => view.getUint32(8, true)).slice(0, 2), [0, 480]);
  const places = sent.slice(1).map((view) => [view.getUint32(8, true), view.byteLength - 12]);
  for (let i = 1; i < places.length; i++) assert.equal(places[i][0], places[i - 1][0] + places[i - 1][1]);
  uplink.restart({ type: "audio/pcmu" });
  uplink.send(new Int16Array(480));
  assert.equal(sent.at(-1).getUint32(8, true), 0);
  assert.ok(sent.at(-1).byteLength < 200);
});

test("of an answer in telephone quality the server is told its own samples", () => {
  const answers = new Answers();
  const sent = [];
  const playout = new Playout(answers, () => {}, (event) => sent.push(event.played_samples));
  const answer = answers.add("item_1", { type: "audio/pcmu" });
  answer.words.push("one two");
  answer.time([{ text: "one", start_sample: 0, end_sample: 1000 }, { text: " two", start_sample: 1200, end_sample: 2000 }]);
  playout.follow({ item: 0, played: 3100, heard: { item: 0, played: 3000 }, buffered: 10, underruns: 0, mode: "play" }, 1000);
  assert.deepEqual([answer.words.heard, sent], ["one", [1000]]);
});

test("a voice that has run dry is late, and not thought about", () => {
  const answers = new Answers();
  const playout = new Playout(answers, () => {}, () => {});
  const answer = answers.add("item_1");
  answer.words.push("one two three");
  const dry = (more) => playout.follow({ item: 0, played: 900, heard: { item: 0, played: 900 }, buffered: 0, underruns: 1, mode: "play", ...more }, 1000);
  assert.equal(playout.isStarved, false);
  dry();
  assert.equal(playout.isStarved, true);
  dry({ mode: "pause" });
  assert.equal(playout.isStarved, false, "it is held");
  answer.words.end(900);
  dry();
  assert.equal(playout.isStarved, false, "it is over");
});
