import assert from "node:assert/strict";
import { test } from "node:test";

import { Framer, Meter, mixDown } from "../../static/js/audio/framer.js";

function frames(size, ...blocks) {
  const got = [];
  const framer = new Framer(size, (pcm, level) => got.push({ pcm: [...pcm], level }));
  for (const block of blocks) framer.push(Float32Array.from(block));
  return got;
}

test("frames come whole, across the borders of blocks", () => {
  const got = frames(4, [0, 0, 0], [0, 0.5, 0.5], [0.5, 0.5, 1]);
  assert.deepEqual(got.map((frame) => frame.pcm), [[0, 0, 0, 0], [16384, 16384, 16384, 16384]]);
});

test("what is too loud is clipped, not wrapped", () => {
  assert.deepEqual(frames(2, [1.5, -1.5])[0].pcm, [32767, -32767]);
});

test("the level is the RMS of the frame", () => {
  assert.equal(frames(2, [0.5, -0.5])[0].level, 0.5);
  assert.equal(frames(2, [0, 0])[0].level, 0);
});

test("channels are mixed evenly", () => {
  const mono = new Float32Array(2).fill(9);
  const mixed = mixDown([Float32Array.of(1, 0), Float32Array.of(0, 0.5)], mono);
  assert.deepEqual([...mixed], [0.5, 0.25]);
});

test("no channels are silence", () => {
  assert.deepEqual([...mixDown([], new Float32Array(2).fill(9))], [0, 0]);
});

test("a meter says how loud each piece was, whatever blocks it came in", () => {
  const levels = [];
  const meter = new Meter(4, (level) => levels.push(level));
  meter.push(Float32Array.of(0.5, -0.5, 0.5));
  meter.push(Float32Array.of(-0.5, 1, 1, 1, 1, 0));
  assert.deepEqual(levels, [0.5, 1]);
});
