import assert from "node:assert/strict";
import { test } from "node:test";

import { CallState, isActive, isLive, next, REST, STATES, TRANSITIONS } from "../../static/js/call/state.js";

const EVENTS = [...new Set(Object.values(TRANSITIONS).flatMap((row) => Object.keys(row)))];

for (const [state, row] of Object.entries(TRANSITIONS)) {
  for (const [event, target] of Object.entries(row)) {
    test(`${state} on ${event} leads to ${target}`, () => {
      assert.equal(next(state, event), target === REST ? "listening" : target);
    });
    if (target === REST) {
      test(`${state} on ${event} leads to muted while the microphone is off`, () => {
        assert.equal(next(state, event, true), "muted");
      });
    }
  }
  test(`${state} ignores every other event`, () => {
    const others = EVENTS.filter((event) => !(event in row));
    assert.deepEqual(others.map((event) => next(state, event)), others.map(() => state));
  });
}

test("the states are those of the design", () => {
  assert.deepEqual(STATES, [
    "idle", "checking", "connecting", "listening", "hearing", "thinking", "speaking", "muted",
    "paused", "reconnecting", "ended",
  ]);
});

test("every active state can end, and none that is over", () => {
  assert.deepEqual(STATES.filter((state) => "end" in TRANSITIONS[state]), STATES.filter(isActive));
});

test("every live state survives a lost connection", () => {
  const live = STATES.filter((state) => isLive(state) && state !== "reconnecting");
  assert.deepEqual(STATES.filter((state) => "lost" in TRANSITIONS[state]), live);
});

test("every live state can be paused by the device, except while the line is away", () => {
  const live = STATES.filter((state) => isLive(state) && !["paused", "reconnecting"].includes(state));
  assert.deepEqual(STATES.filter((state) => "pause" in TRANSITIONS[state]), live);
});

test("muting while the assistant speaks shows only when it has finished", () => {
  const seen = [];
  const state = new CallState((name) => seen.push(name));
  for (const event of ["start", "checked", "ready", "response_started", "playback_started", "mute"]) {
    state.apply(event);
  }
  assert.deepEqual([state.name, state.muted], ["speaking", true]);
  state.apply("playback_ended");
  assert.equal(state.name, "muted");
  assert.deepEqual(seen, ["checking", "connecting", "listening", "thinking", "speaking", "muted"]);
});

test("a reason is kept while the call is over and forgotten when another starts", () => {
  const state = new CallState(() => {});
  state.apply("start");
  state.apply("end", "mic_blocked");
  assert.equal(state.reason, "mic_blocked");
  state.apply("start");
  assert.equal(state.reason, null);
});

test("a new call starts with the microphone on", () => {
  const state = new CallState(() => {});
  for (const event of ["start", "checked", "ready", "mute", "end", "start"]) state.apply(event);
  assert.equal(state.muted, false);
});

test("an ignored event tells nobody", () => {
  let told = 0;
  const state = new CallState(() => told++);
  assert.equal(state.apply("playback_started"), false);
  assert.equal(told, 0);
});
