import assert from "node:assert/strict";
import { test } from "node:test";

import { LoudnessWatch } from "../../static/js/call/loudness-watch.js";

function heard(levels, situation) {
  const watch = new LoudnessWatch();
  return levels.map((level) => watch.take(level, situation)).filter(Boolean);
}

const SPEAKING = { muted: false, speaking: true };

test("a voice over the answer is noticed once, and when it is quiet again", () => {
  const levels = [...Array(6).fill(0.2), ...Array(20).fill(0.01)];
  assert.deepEqual(heard(levels, SPEAKING), ["voice", "quiet"]);
});

test("a click is no voice", () => {
  assert.deepEqual(heard([0.5, 0, 0, 0.5, 0.5, 0], SPEAKING), []);
});

test("nothing is noticed while nobody answers", () => {
  assert.deepEqual(heard(Array(30).fill(0.5), { muted: false, speaking: false }), []);
});

test("talking into a muted microphone is told, but not all the time", () => {
  assert.deepEqual(heard(Array(150).fill(0.3), { muted: true, speaking: false }), ["muted"]);
});
