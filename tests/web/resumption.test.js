import assert from "node:assert/strict";
import test from "node:test";

import { Resumption } from "../../server/gateway/web/resumption.js";

/** A session that has begun, with a way back. */
function begun() {
  const resumption = new Resumption();
  resumption.sent("update");
  resumption.got({ type: "session.created", x_resume: { token: "first", grace_ms: 30_000 } });
  return resumption;
}

test("the way back names the last frame that came, audio included", () => {
  const resumption = begun();
  resumption.got(null);
  resumption.got({ type: "x_voices" });
  assert.equal(resumption.offer, "x-resume.3.first");
  resumption.learn({ token: "second" });
  assert.equal(resumption.offer, "x-resume.3.second");
});

test("what the server has not got is sent again in the order in which it was sent", () => {
  const resumption = begun();
  for (let i = 0; i < 4; i++) {
    resumption.sentAudio(`audio ${i}`, 480 * i);
    resumption.sent(`event ${i}`);
  }
  const missing = resumption.missing({ received_events: 3, microphone_offset: 960 });
  assert.deepEqual(missing, ["audio 2", "event 2", "audio 3", "event 3"]);
  assert.deepEqual(resumption.missing({ received_events: 5, microphone_offset: 1920 }), []);
});

test("a long silence of the line costs old sound before it costs a word that was typed", () => {
  const resumption = begun();
  resumption.sent("typed");
  for (let i = 0; i < 4000; i++) resumption.sentAudio(i, 480 * i);
  const missing = resumption.missing({ received_events: 1, microphone_offset: 0 });
  assert.equal(missing.length, 2501);
  assert.deepEqual([missing[0], missing.at(-1)], ["typed", 3999]);
});

test("without an offer nothing is kept, and nothing leads back", () => {
  const resumption = new Resumption();
  resumption.sent("update");
  resumption.got({ type: "session.created" });
  resumption.sent("more");
  assert.equal(resumption.canResume, false);
  assert.deepEqual(resumption.missing({ received_events: 0, microphone_offset: 0 }), []);
});
