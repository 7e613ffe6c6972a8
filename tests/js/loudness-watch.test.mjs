import assert from "node:assert/strict";
import { test } from "node:test";

import { LoudnessWatch } from "../../static/js/call/microphone-gate.js";

const OVER = { muted: false, over: true };

function heard(levels, situation) {
  const watch = new LoudnessWatch();
  return levels.map((level, at) => [watch.take(level, situation), (at + 1) * 10]).filter(([what]) => what);
}

test("a voice over the answer is noticed within 40 ms, and when it has been quiet for 200", () => {
  const levels = [...Array(6).fill(0.2), ...Array(30).fill(0.01)];
  assert.deepEqual(heard(levels, OVER), [["voice", 40], ["quiet", 260]]);
});

test("a dip between two sounds of a word does not start the count again", () => {
  assert.deepEqual(heard([0.2, 0.2, 0.01, 0.2, 0.2, 0.2], OVER), [["voice", 60]]);
});

test("a click is no voice", () => {
  assert.deepEqual(heard([0.5, 0, 0, 0.5, 0.5, 0, 0], OVER), []);
});

test("nothing is noticed while nobody answers", () => {
  assert.deepEqual(heard(Array(60).fill(0.5), { muted: false, over: false }), []);
});

test("talking into a muted microphone is told, but not all the time", () => {
  const told = heard(Array(600).fill(0.3), { muted: true, over: false });
  assert.deepEqual(told, [["muted", 500]]);
});

test("a soft voice is heard above a quiet room, and a loud room is no voice", () => {
  const after = (levels) => {
    const watch = new LoudnessWatch();
    for (const level of levels) watch.take(level, OVER);
    return watch.sounding;
  };
  assert.equal(after([...Array(100).fill(0.002), 0.03]), true);
  assert.equal(after([...Array(100).fill(0.002), 0.03, ...Array(8).fill(0.002)]), false);
  assert.equal(after(Array(3000).fill(0.03)), false);
});
