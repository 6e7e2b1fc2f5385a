import assert from "node:assert/strict";
import test from "node:test";

import { Minutes } from "../../server/gateway/web/minutes.js";
import { Recording } from "../../server/gateway/web/recording.js";
import { replayPage } from "../../server/gateway/web/replay.js";
import { accountOf, percentile, Turns } from "../../server/gateway/web/turns.js";

const RATE_HZ = 24000;

/** A recording of both sides, and its samples as the WAV file has them. */
async function samplesOf(recording, options) {
  return new Int16Array((await (await recording.wav(options)).arrayBuffer()).slice(44));
}

test("both sides lie on one line of time, whatever pauses either had", async () => {
  const recording = new Recording();
  const frame = (value) => new Int16Array(480).fill(value);
  recording.person.append(frame(1), 20);
  recording.person.append(frame(2), 45); // a little late is no pause
  recording.agent.append(frame(3), 1020); // nothing was said for a second
  recording.person.append(frame(4), 25_000);
  const both = await samplesOf(recording);
  const at = (ms) => [both[2 * ms * 24], both[2 * ms * 24 + 1]];
  assert.deepEqual([at(0), at(20), at(40), at(1000), at(24_990)], [[1, 0], [2, 0], [0, 0], [0, 3], [4, 0]]);
  assert.equal(both.length, 2 * 25 * RATE_HZ);
  const mixed = await samplesOf(recording, { mixed: true });
  assert.deepEqual([mixed.length, mixed[1000 * 24], mixed[0]], [25 * RATE_HZ, 3, 1]);
});

test("an hour stays small in memory", () => {
  let stored = 0;
  const recording = new Recording((samples) => {
    stored += samples.length;
    return null;
  });
  const frame = new Int16Array(RATE_HZ);
  for (let second = 1; second <= 3600; second++) recording.agent.append(frame, second * 1000);
  assert.equal(stored, 3600 * RATE_HZ);
  assert.equal(recording.agent.block.length, 10 * RATE_HZ);
  assert.ok(recording.agent.peaks.length <= 36_000);
});

test("the minutes have what was heard, and when", () => {
  const minutes = new Minutes();
  const says = (id, role, text, status, atMs, rest = "") => minutes.take({ id, role, text, rest, status }, atMs);
  says("a", "person", "", "partial", 100);
  says("a", "person", "hello", "final", 900);
  says("b", "agent", "", "partial", 1000, "One two three");
  says("b", "agent", "One", "partial", 1200, " two three");
  says("b", "agent", "One two", "partial", 1500, " three");
  says("b", "agent", "One two three", "partial", 1550);
  says("b", "agent", "One two", "interrupted", 1600);
  says("c", "person", "", "partial", 1700);
  says("c", "person", "", "final", 1800); // nothing was said
  assert.equal(minutes.text, "You: hello\nAgent: One two – cut short\n");
  const { began, lines } = JSON.parse(minutes.json("2026-01-01T00:00:00.000Z"));
  assert.equal(began, "2026-01-01T00:00:00.000Z");
  assert.deepEqual(lines, [
    { role: "person", text: "hello", status: "final", from_ms: 100, to_ms: 900 },
    {
      role: "agent",
      text: "One two",
      status: "interrupted",
      from_ms: 1200,
      to_ms: 1600,
      words: [{ text: "One", at_ms: 1200 }, { text: " two", at_ms: 1500 }],
    },
  ]);
});

test("words of the page that is kept stay apart, and can be pressed one by one", () => {
  const minutes = new Minutes();
  for (const [text, atMs] of [["It", 0], ["It is", 300], ["It is two.", 500]]) {
    minutes.take({ id: "a", role: "agent", text, rest: "", status: "partial" }, atMs);
  }
  const page = replayPage(minutes.lines, "data:audio/wav;base64,AAAA", "");
  assert.match(page, /<button data-ms="0">It<\/button> <button data-ms="300">is<\/button> <button data-ms="500">two\.<\/button>/);
});

test("what was said cannot become markup of the page that is kept", () => {
  const minutes = new Minutes();
  minutes.take({ id: "a", role: "person", text: "</script><img src=x onerror=alert(1)>", rest: "", status: "final" }, 0);
  const page = replayPage(minutes.lines, "data:audio/wav;base64,AAAA", 'a "title"');
  assert.ok(!page.includes("<img"));
  assert.ok(page.includes("&lt;img"));
  assert.equal(page.match(/<script>/g).length, 1);
});

/** Turns that have seen these events, a second apart. */
function seen(...events) {
  const turns = new Turns();
  events.forEach((event, i) => turns.take(event, i * 1000));
  return turns;
}

const ACCOUNT = { ended_by: "semantic", silence_ms: 420, speculated: true, saved_ms: 180, guard: "passed", route: "concierge", interrupted_by: null, revision: 1 };

test("a line of either side leads to its turn, with its tools, and what was cut", () => {
  const message = { id: "m1", type: "message" };
  const call = { id: "f1", type: "function_call", call_id: "c1", name: "look_up", arguments: '{"order": 7}' };
  const turns = seen(
    { type: "conversation.item.added", item: { id: "u1", type: "message", role: "user" } },
    { type: "response.created", response: { id: "r1" } },
    { type: "response.output_item.added", response_id: "r1", item: message },
    { type: "response.output_item.done", response_id: "r1", item: call },
    { type: "response.done", response: { id: "r1", output: [message, call] } },
    { type: "conversation.item.added", item: { id: "o1", type: "function_call_output", call_id: "c1", output: "sent" } },
    { type: "response.created", response: { id: "r2" } },
    { type: "response.output_item.added", response_id: "r2", item: { id: "m2", type: "message" } },
    { type: "response.done", response: { id: "r2", output: [{ id: "m2", type: "message" }] } },
    { type: "x_turn", turn: 1, item_id: "u1", ...ACCOUNT },
    { type: "x_metrics", turn: 1, response_id: "r2", ms: { heard: 640 } },
  );
  const turn = turns.ofItem("u1");
  assert.equal(turn, turns.ofItem("m1"));
  assert.equal(turn, turns.ofItem("m2"), "the answer to what a tool gave belongs to the turn that called it");
  assert.deepEqual(turn.tools.map(({ name, args, result }) => [name, args, result]), [["look_up", '{"order": 7}', "sent"]]);
  assert.deepEqual(turns.waits.map(({ ms }) => ms), [640]);
  turns.cut({ id: "m2", text: "One", rest: " two" }, 5000);
  assert.deepEqual(accountOf(turn), [
    ["Ended by", "silence and what was said, after 420 ms"],
    ["Prepared ahead", "saved 180 ms"],
    ["Guard", "passed"],
    ["Answered by", "concierge"],
    ["Not heard", "“two”"],
  ]);
  assert.deepEqual(turns.marks, [{ atMs: 5000, kind: "interruption" }]);
});

test("a sound that gives the voice back is a backchannel, one that takes the floor is none", () => {
  assert.deepEqual(seen({ type: "x_duck" }, { type: "x_pause" }, { type: "x_resume" }).marks, [{ atMs: 2000, kind: "backchannel" }]);
  assert.deepEqual(seen({ type: "x_duck" }, { type: "x_flush", epoch: 1 }, { type: "x_resume" }).marks, []);
});

test("percentiles are by the nearest rank", () => {
  const waits = Array.from({ length: 20 }, (_, i) => i + 1);
  assert.deepEqual([percentile(waits, 0.5), percentile(waits, 0.95), percentile([7], 0.95)], [10, 19, 7]);
});
