import assert from "node:assert/strict";
import test from "node:test";

import { choicesOf, hashOf, sessionOf } from "../../server/gateway/web/choices.js";
import { filtered } from "../../server/gateway/web/event-filter.js";

test("what is not chosen is left to the server", () => {
  assert.deepEqual(sessionOf({ instructions: " ", voice: "", language: "", speed: "1", turns: "", tools: "" }), {});
});

test("choices become parts of the session", () => {
  const chosen = { instructions: "Be brief.", voice: "low", language: "de", speed: "1.2", turns: "high", tools: "[]" };
  assert.deepEqual(sessionOf(chosen), {
    instructions: "Be brief.",
    tools: [],
    audio: {
      input: { transcription: { model: "default", language: "de" }, turn_detection: { type: "semantic_vad", eagerness: "high" } },
      output: { voice: "low", speed: 1.2 },
    },
  });
  assert.deepEqual(sessionOf({ turns: "hold" }), { audio: { input: { turn_detection: null } } });
  assert.deepEqual(sessionOf({ voice: "", speed: "1" }, "voice"), { audio: { output: { voice: "default" } } }, "taken back");
  assert.deepEqual(sessionOf({ voice: "", speed: "1" }, "speed"), { audio: { output: { speed: 1 } } });
  assert.throws(() => sessionOf({ tools: "[" }), SyntaxError);
});

test("a link has all that was chosen, and no secret", () => {
  const chosen = { instructions: "A & B = ü\nC", voice: "low", turns: "hold", loudness: "0.5", speed: "1" };
  assert.deepEqual(choicesOf(hashOf(chosen)), { instructions: "A & B = ü\nC", voice: "low", turns: "hold", loudness: "0.5" });
  assert.equal(hashOf({ speed: "1", loudness: "1" }), "");
  assert.equal(hashOf({ tools: '[{"authorization": "s3cret"}]' }), "");
  assert.deepEqual(choicesOf("#key=abc&tools=%5B%5D"), { tools: "[]" });
});

test("a filter wants all of its words, and none that it takes away", () => {
  const all = ["response.created", "response.output_audio_transcript.delta", "x_turn"].map((type) => ({ way: "in", event: { type } }));
  const types = (filter) => filtered(all, filter).map(({ event }) => event.type);
  assert.equal(types("").length, 3);
  assert.deepEqual(types("RESPONSE -delta"), ["response.created"]);
  assert.deepEqual(types("out"), ["response.output_audio_transcript.delta"]);
});
