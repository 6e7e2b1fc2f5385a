import assert from "node:assert/strict";
import test from "node:test";

import { Connection } from "../../server/gateway/web/connection.js";
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

/** What a client does whose session, or whose first try, the server closes with a code. */
function closedWith(code, { hasSession = true } = {}) {
  const connection = new Connection("http://127.0.0.1/v1/realtime", "key");
  const told = [];
  for (const type of ["retry", "anew", "problem"]) connection.addEventListener(type, ({ detail }) => told.push(detail?.code ?? type));
  connection.socket = { protocol: "voice.v1" };
  connection.opened();
  if (hasSession) connection.take(JSON.stringify({ type: "session.created", x_resume: { token: "t" } }));
  connection.closed(code, "");
  const { canResume } = connection.resumption;
  connection.close();
  return [...told, ...(canResume ? ["resumes"] : [])];
}

test("a close code leads back to the session, to another one, or to words for it", () => {
  for (const code of [1006, 1011, 1012, 1013, 1014, 4408]) assert.deepEqual(closedWith(code), ["retry", "resumes"], code);
  for (const code of [1001, 1005, 4404, 4410]) assert.deepEqual(closedWith(code), ["anew", "retry"], code);
  assert.deepEqual([1000, 1008, 4409].map((code) => closedWith(code)), [["session_over"], ["server_refused"], ["taken_over"]]);
  assert.deepEqual(closedWith(1013, { hasSession: false }), ["server_full"]);
});
