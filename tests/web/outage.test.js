import assert from "node:assert/strict";
import test from "node:test";

import { Backoff, GIVE_UP_MS } from "../../server/gateway/web/backoff.js";
import { actionOf, hintOf, microphoneKey } from "../../server/gateway/web/hints.js";
import { Outbox } from "../../server/gateway/web/outbox.js";
import { TICK_MS, Watchdog } from "../../server/gateway/web/watchdog.js";

/** The waits of a client whose tries fail at once, until it gives up. */
function waits(backoff, nowMs, chance) {
  const all = [];
  for (let waitMs; (waitMs = backoff.lost(nowMs, chance)) !== null; nowMs += waitMs) all.push(waitMs);
  return { all, endMs: nowMs };
}

test("tries get rarer, up to a limit, differ from client to client, and end", () => {
  const { all, endMs } = waits(new Backoff(), 1000, 1);
  assert.deepEqual(all.slice(0, 6), [500, 1000, 2000, 4000, 8000, 8000]);
  assert.equal(Math.max(...all), 8000);
  assert.ok(endMs - 1000 >= GIVE_UP_MS && endMs - 1000 < GIVE_UP_MS + 8000);
  assert.deepEqual([0, 1].map((chance) => new Backoff().lost(0, chance)), [250, 500]);
});

test("a long conversation before the loss does not make the tries after it count as good ones", () => {
  const backoff = new Backoff();
  backoff.opened(0);
  assert.deepEqual(waits(backoff, 600_000, 1).all.slice(0, 4), [500, 1000, 2000, 4000]);
});

test("a server that lets in and throws out again is given up as well", () => {
  const backoff = new Backoff();
  let nowMs = 0;
  let tries = 0;
  for (let waitMs; (waitMs = backoff.lost(nowMs, 1)) !== null; tries++) {
    nowMs += waitMs;
    backoff.opened(nowMs);
    nowMs += 100;
  }
  assert.ok(tries < 15 && nowMs < GIVE_UP_MS + 8000);
});

test("after a connection that lasted, the next loss begins afresh", () => {
  const backoff = new Backoff();
  const { endMs } = waits(backoff, 0, 1);
  backoff.opened(endMs);
  assert.equal(backoff.lost(endMs + 5000, 1), 500);
});

/** What a watchdog orders, and when, while nothing comes. */
function orders(watchdog, fromMs, toMs, tickMs = TICK_MS) {
  const given = {};
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += tickMs) {
    const order = watchdog.tick(nowMs);
    if (order) given[order] = nowMs - fromMs;
  }
  return given;
}

test("a silent line is asked, named within five seconds, and left", () => {
  assert.deepEqual(orders(new Watchdog(0), 0, 60_000), { ask: 1500, tell: 4000, leave: 10_000 });
});

test("a line that answers is lively", () => {
  const watchdog = new Watchdog(0);
  for (let nowMs = 0; nowMs < 60_000; nowMs += TICK_MS) {
    const order = watchdog.tick(nowMs);
    assert.ok(order === null || order === "ask", order);
    if (order === "ask") assert.equal(watchdog.heard(nowMs + 100), false);
  }
});

test("a line that was called silent is said to be back", () => {
  const watchdog = new Watchdog(0);
  orders(watchdog, 0, 5000);
  assert.equal(watchdog.heard(5100), true);
  assert.equal(watchdog.heard(5200), false);
});

test("a page that slept does not blame the line", () => {
  const watchdog = new Watchdog(0);
  assert.deepEqual(orders(watchdog, 0, 1500), { ask: 1500 });
  assert.equal(watchdog.tick(3_600_000), null);
  assert.deepEqual(orders(watchdog, 3_600_000, 3_610_000), { tell: 2500, leave: 8500 });
  assert.deepEqual(orders(new Watchdog(0), 0, 600_000, 60_000), {}, "nor one whose timers hardly run");
});

test("what was typed is kept until it is answered", () => {
  const outbox = new Outbox();
  const [first, second] = ["one", "two"].map((text) => outbox.add(text));
  outbox.taken(first.id);
  outbox.taken("of somebody else");
  outbox.answered(); // of an earlier question
  assert.deepEqual(outbox.waiting, [second]);
  assert.deepEqual(outbox.lost(), ["one"], "the server may have acted on it: the person decides");
  assert.deepEqual(outbox.waiting, [second], "the server never had it: it is sent again");
  outbox.taken(second.id);
  outbox.replyBegins();
  outbox.answered();
  assert.deepEqual([outbox.lost(), outbox.waiting, outbox.close()], [[], [], []]);
});

test("what was never sent is given back at the end", () => {
  const outbox = new Outbox();
  outbox.taken(outbox.add("one").id);
  outbox.add("two");
  assert.deepEqual(outbox.close(), ["two"]);
  assert.deepEqual(outbox.close(), []);
});

test("nobody is asked to speak without a microphone", () => {
  const hint = (state, microphone) => hintOf({ state, microphone }).hint;
  assert.equal(hint("listening", "on"), "Just speak.");
  assert.equal(hint("listening", "muted"), "Unmute the microphone to be heard.");
  assert.equal(hint("listening", "off"), "Type, or turn the microphone on.");
  for (const state of ["idle", "listening", "closed"]) assert.match(hint(state, "impossible"), /https or localhost/);
  assert.equal(hintOf({ state: "listening", microphone: "off" }).title, "Ready");
  assert.match(hintOf({ state: "reconnecting", microphone: "on", retry: { delayMs: 4100 } }).hint, /in 4 s, for up to a minute/);
});

test("the circle starts, turns the microphone on, or interrupts, and never ends anything", () => {
  assert.equal(actionOf({ state: "idle", microphone: "off" }), "start");
  assert.equal(actionOf({ state: "closed", microphone: "impossible" }), "start");
  assert.equal(actionOf({ state: "listening", microphone: "off" }), "microphone");
  assert.equal(actionOf({ state: "connecting", microphone: "off" }), "none");
  assert.equal(actionOf({ state: "listening", microphone: "impossible" }), "none");
  assert.equal(actionOf({ state: "hearing", microphone: "on" }), "none");
  for (const state of ["thinking", "speaking", "starved", "yielding"]) {
    assert.equal(actionOf({ state, microphone: "off" }), "interrupt");
  }
});

test("the microphone's button starts, mutes, unmutes, asks again, or says why there is none", () => {
  const key = (state, microphone) => microphoneKey({ state, microphone }).action;
  assert.equal(key("idle", "off"), "start");
  assert.equal(key("speaking", "on"), "mute");
  assert.equal(key("stalled", "muted"), "unmute");
  assert.equal(key("listening", "off"), "microphone");
  for (const state of ["idle", "listening"]) assert.equal(key(state, "impossible"), "explain");
});
