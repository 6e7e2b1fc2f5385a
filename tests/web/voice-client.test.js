import assert from "node:assert/strict";
import test from "node:test";

import { updated } from "../../server/gateway/web/session-updates.js";
import { VoiceClient } from "../../server/gateway/web/voice-client.js";

/** A client, and the sessions that it asks a server for that comes and goes. */
function client(session) {
  const voice = new VoiceClient("ws://127.0.0.1/v1/realtime", { session });
  const asked = [];
  voice.connection.send = (event) => event.type === "session.update" && asked.push(event.session);
  const serverComes = () => voice.connection.dispatchEvent(new Event("open"));
  const serverIsLost = () => voice.retries({ attempt: 1, delayMs: 500 });
  return { voice, asked, serverComes, serverIsLost };
}

test("what was configured holds when the server was lost and found again", () => {
  const { voice, asked, serverComes, serverIsLost } = client({ instructions: "Be brief.", audio: { output: { voice: "low" } } });
  serverComes();
  voice.configure({ audio: { output: { voice: "high" } } });
  assert.deepEqual(asked.at(-1), { type: "realtime", audio: { output: { voice: "high" } } });
  serverIsLost();
  voice.configure({ audio: { output: { speed: 1.2 } } }); // nobody is there to hear it
  serverComes();
  const input = { transcription: { model: "default" } };
  assert.deepEqual(asked[0], { type: "realtime", instructions: "Be brief.", audio: { input, output: { voice: "low" } } });
  assert.deepEqual(asked.at(-1), {
    type: "realtime",
    instructions: "Be brief.",
    audio: { input, output: { voice: "high", speed: 1.2 } },
  });
});

test("what a page gives for the session is left as it was", () => {
  const session = { audio: { output: { voice: "low" } } };
  client(session).voice.configure({ audio: { output: { voice: "high" } } });
  assert.deepEqual(session, { audio: { output: { voice: "low" } } });
});

test("an update changes what it names, and nothing else", () => {
  const before = { a: 1, b: { c: 2, d: [3, 4] } };
  assert.deepEqual(updated(before, { b: { d: [5] }, e: { f: 6 } }), { a: 1, b: { c: 2, d: [5] }, e: { f: 6 } });
  assert.deepEqual(updated(before, { b: null }), { a: 1, b: null });
  assert.deepEqual(updated({ b: null }, { b: { c: 1 } }), { b: { c: 1 } });
});

test("what gets another type starts afresh", () => {
  const before = { turn_detection: { type: "server_vad", threshold: 0.4 } };
  const part = { turn_detection: { type: "semantic_vad", eagerness: "low" } };
  assert.deepEqual(updated(before, part), part);
  const same = { turn_detection: { type: "server_vad", prefix_padding_ms: 200 } };
  assert.deepEqual(updated(before, same), { turn_detection: { type: "server_vad", threshold: 0.4, prefix_padding_ms: 200 } });
});

test("what is typed while a spoken turn is thought about takes its place", () => {
  const { voice, serverComes } = client();
  const sent = [];
  voice.connection.send = ({ type }) => sent.push(type);
  Object.defineProperty(voice.connection, "isOpen", { value: true });
  const server = (event) => voice.connection.dispatchEvent(new CustomEvent("event", { detail: event }));
  serverComes();
  server({ type: "input_audio_buffer.speech_stopped" });
  voice.sendText("never mind");
  assert.deepEqual(sent, ["session.update", "response.cancel", "conversation.item.create", "response.create"]);
  assert.equal(voice.state, "thinking");
});
