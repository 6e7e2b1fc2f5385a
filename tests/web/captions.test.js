import assert from "node:assert/strict";
import test from "node:test";

import { Pace, Reveal } from "../../server/gateway/web/captions.js";

test("words appear as they are heard, whole, and all of them at the end", () => {
  const words = new Reveal(new Pace());
  words.push("It is twenty past seven in the evening.");
  const seen = new Set();
  for (let played = 0; played < 60000; played += 480) {
    words.move(played);
    seen.add(words.heard);
    assert.match(words.heard, /^$|^It$|^(\S+ )*\S+$/);
    assert.ok(words.text.startsWith(words.heard));
    if (played === 28800) {
      assert.ok(words.heard.length < words.text.length);
      words.end(60000);
    }
  }
  assert.ok(seen.size > 6);
  words.move(60000);
  assert.deepEqual([words.heard, words.state], [words.text, "heard"]);
});

test("characters of a script without spaces appear one by one", () => {
  const words = new Reveal(new Pace());
  words.push("我们早上九点开门。");
  words.move(8000);
  assert.equal(words.heard, "我们早上九");
});

/** The words of a text, each a thousand samples long with five hundred after it. */
function times(text) {
  return text.match(/\s*\S+/g).map((word, i) => ({ text: word, start_sample: 1500 * i, end_sample: 1500 * i + 1000 }));
}

function timed(text) {
  const words = new Reveal(new Pace());
  words.push(text);
  words.time(times(text));
  return words;
}

test("where the server says where they lie, words show from their first sample on", () => {
  const words = timed("It is noon.");
  const seen = [0, 1, 1500, 1501, 2999, 3001].map((samples) => (words.move(samples), words.heard));
  assert.deepEqual(seen, ["", "It", "It", "It is", "It is", "It is noon."]);
  assert.equal(words.state, "open");
  words.end(4500);
  words.move(4500);
  assert.equal(words.state, "heard");
});

test("words come as the server knows of them, long before or just before they are heard", () => {
  const words = new Reveal(new Pace());
  words.push("It is ");
  words.time(times("It is noon.").slice(0, 2));
  words.move(2900);
  words.push("noon.");
  words.move(3100);
  assert.equal(words.heard, "It is");
  words.time(times("It is noon.").slice(2));
  assert.equal(words.heard, "It is noon.");
});

test("of an answer that was cut short, the words stay that were heard to their end, once that is known", () => {
  const words = timed("It is noon.");
  words.move(2400);
  assert.equal(words.heard, "It is");
  words.cut();
  assert.equal(words.heard, "It");
  words.move(2500);
  words.settle();
  words.move(4500);
  assert.deepEqual([words.heard, words.state], ["It is", "cut"]);
});

test("nothing shows before anything is heard", () => {
  const words = new Reveal(new Pace());
  words.push("Hello there.");
  words.move(0);
  assert.equal(words.heard, "");
});

test("what was cut short stays as it was heard", () => {
  const words = new Reveal(new Pace());
  words.push("One two three four five six seven eight nine ten.");
  words.move(24000);
  const { heard } = words;
  words.cut();
  words.end(90000);
  words.move(90000);
  words.settle();
  assert.deepEqual([words.heard, words.state], [heard, "cut"]);
  assert.ok(heard.length < words.text.length);
});

test("an answer without sound is there at once", () => {
  const words = new Reveal(new Pace());
  words.push("Hm.");
  words.end(0);
  words.move(0);
  assert.equal(words.heard, "Hm.");
});

test("the pace of a voice is learned", () => {
  const pace = new Pace();
  const before = pace.charsPerSample;
  const words = new Reveal(pace);
  words.push("x".repeat(100));
  words.end(24000 * 20);
  words.move(24000 * 20);
  assert.ok(pace.charsPerSample < before);
});

test("of an answer that failed midway, the words stay that had a voice", () => {
  const words = timed("It is noon.");
  words.push(" And it rains");
  words.end(4500);
  words.move(4500);
  words.breakOff();
  assert.deepEqual([words.heard, words.state], ["It is noon.", "heard"]);
});

test("written words stay, whether or not they are complete", () => {
  const words = new Reveal(new Pace());
  words.push("It is");
  words.end(0);
  words.move(0);
  words.breakOff();
  assert.equal(words.heard, "It is");
});
