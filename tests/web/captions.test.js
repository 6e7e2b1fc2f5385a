import assert from "node:assert/strict";
import test from "node:test";

import { Pace, Reveal } from "../../server/web/captions.js";

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
  assert.equal(words.heard, heard);
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
