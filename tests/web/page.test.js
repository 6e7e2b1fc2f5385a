import assert from "node:assert/strict";
import test from "node:test";

import { Answers } from "../../server/gateway/web/answers.js";
import { Summary } from "../../server/gateway/web/summary.js";
import { barsOf } from "../../server/gateway/web/waterfall.js";

test("a bar begins where what it waited for had ended", () => {
  const ms = { speech_end: 0, endpoint: 400, transcript: 200, guard: 220, route: 210, first_token: 250, first_audio: 450, heard: 500 };
  const bars = Object.fromEntries(barsOf(ms).map((bar) => [bar.step, [bar.from * 500, bar.to * 500]]));
  assert.deepEqual(bars, {
    endpoint: [0, 400],
    transcript: [0, 200],
    guard: [200, 220],
    route: [200, 210],
    first_token: [210, 250],
    first_audio: [250, 450],
    heard: [450, 500],
  });
});

test("steps that did not happen have no bar, and none is outside the line", () => {
  const bars = barsOf({ transcript: -30, first_token: 10, first_audio: 90 });
  assert.deepEqual(bars.map(({ step }) => step), ["transcript", "first_token", "first_audio"]);
  for (const { from, to } of bars) assert.ok(0 <= from && from <= to && to <= 1);
  assert.deepEqual(barsOf({}), []);
  assert.deepEqual(barsOf({ first_token: 250, first_audio: 450 }).map(({ ownMs }) => ownMs), [250, 200]);
});

test("the summary counts what is shown", () => {
  let now = 1000;
  const summary = new Summary(() => now);
  summary.begin();
  for (const wait of [900, 300, 500]) summary.addTurn(wait);
  now += 65000;
  summary.pause();
  now += 9000;
  assert.deepEqual([summary.turns, summary.medianMs, summary.time], [3, 500, "1:05"]);
  summary.addTurn(700);
  assert.equal(summary.medianMs, 600);
});

test("answers are found by id and by number, the newest of many", () => {
  const answers = new Answers();
  for (let i = 0; i < 100; i++) answers.add(`item_${i}`);
  assert.equal(answers.last.id, "item_99");
  assert.equal(answers.numbered(99), answers.find("item_99"));
  assert.equal(answers.find("item_0"), undefined);
});
