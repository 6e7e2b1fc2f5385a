import assert from "node:assert/strict";
import test from "node:test";

import { Answers } from "../../server/gateway/web/answers.js";
import { Playout } from "../../server/gateway/web/playout.js";

/** An answer of words of a thousand samples each, and what is told of it. */
function playing(text) {
  const answers = new Answers();
  const captions = [];
  const sent = [];
  const tell = (type, detail) => type === "caption" && captions.push([detail.text, detail.status]);
  const playout = new Playout(answers, tell, (event) => sent.push([event.item_id, event.played_samples]));
  const answer = answers.add("item_1");
  answer.words.push(text);
  const words = text.match(/\s*\S+/g);
  answer.words.time(words.map((word, i) => ({ text: word, start_sample: 1000 * i, end_sample: 1000 * i + 900 })));
  let nowMs = 1000;
  const follow = (heard, { item = 0, mode = "play", buffered = 500, ahead = 100 } = {}) => {
    playout.follow({ item, played: heard + ahead, heard: { item, played: heard }, buffered, underruns: 0, mode }, (nowMs += 40));
  };
  return { answers, answer, playout, captions, sent, follow };
}

test("the words of an answer are told once each, as they are heard", () => {
  const { captions, follow } = playing("one two three");
  for (let heard = 0; heard <= 2400; heard += 200) follow(heard);
  assert.deepEqual(captions, [["one", "partial"], ["one two", "partial"], ["one two three", "partial"]]);
});

test("the server is told every 150 ms, and once more at the end", () => {
  const { sent, follow } = playing("one two three");
  for (let heard = 0; heard < 1000; heard += 100) follow(heard);
  follow(1000, { buffered: 0, ahead: 0 });
  follow(1000, { buffered: 0, ahead: 0 });
  assert.deepEqual(sent, [0, 400, 800, 1000].map((samples) => ["item_1", samples]));
});

test("of an answer that is cut short it stays what was heard when it was silent, and the server is told the same", () => {
  const { answer, playout, captions, sent, follow } = playing("one two three");
  follow(1850);
  captions.length = sent.length = 0;
  playout.cut(answer);
  follow(1880, { mode: "flush" });
  assert.deepEqual([captions.at(-1), sent], [["one", "partial"], []]);
  follow(1890, { buffered: 0, ahead: 20 });
  assert.equal(captions.at(-1)[1], "partial");
  follow(1910, { buffered: 0, ahead: 0 });
  assert.deepEqual(captions.at(-1), ["one two", "interrupted"]);
  assert.deepEqual(sent.at(-1), ["item_1", 1910]);
  const told = [captions.length, sent.length];
  follow(1910, { buffered: 0, ahead: 0 });
  assert.deepEqual([captions.length, sent.length], told);
});

test("a new answer that is heard at once does not keep the old one open", () => {
  const { answers, answer, playout, captions, sent, follow } = playing("one two three");
  follow(950);
  playout.cut(answer);
  answers.add("item_2").words.push("four");
  follow(960, { mode: "flush" });
  follow(970);
  assert.equal(answer.words.state, "cutting");
  follow(40, { item: 1 });
  assert.deepEqual(captions.at(-1), ["one", "interrupted"]);
  assert.deepEqual(sent.at(-1), ["item_1", 970]);
});

test("when the server is lost, the answer ends with what was heard until then", () => {
  const { answer, playout, captions, follow } = playing("one two three");
  follow(1950);
  playout.abandon(answer);
  assert.deepEqual(captions.at(-1), ["one two", "interrupted"]);
  captions.length = 0;
  playout.abandon(answer);
  assert.deepEqual(captions, []);
});
