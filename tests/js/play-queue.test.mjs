import assert from "node:assert/strict";
import { test } from "node:test";

import { PlayQueue } from "../../static/js/audio/play-queue.js";

const BLOCK = 128;

function pcm(milliseconds, value = 8000) {
  return new Int16Array(milliseconds * 24).fill(value);
}

/** Read `milliseconds` at `rate`; returns the rendered samples and the finished items. */
function read(queue, milliseconds, rate) {
  const samples = [];
  const finished = [];
  let rendered = 0;
  const out = new Float32Array(BLOCK);
  for (let left = Math.round((milliseconds * rate) / 1000); left > 0; left -= BLOCK) {
    const block = out.subarray(0, Math.min(BLOCK, left));
    const result = queue.read(block);
    rendered += result.rendered;
    finished.push(...result.finished);
    samples.push(...block);
  }
  return { samples, rendered, finished };
}

function near(actual, wanted, tolerance = 0.05) {
  assert.ok(Math.abs(actual - wanted) <= tolerance, `${actual} is not near ${wanted}`);
}

for (const rate of [24000, 44100, 48000]) {
  test(`at ${rate} Hz a whole item is heard for exactly as long as it is`, () => {
    const queue = new PlayQueue(rate);
    queue.begin("a");
    queue.push(pcm(300));
    queue.end("a");
    const { rendered, finished } = read(queue, 500, rate);
    assert.deepEqual(finished.map((one) => one.id), ["a"]);
    near(finished[0].playedMs, 300);
    near((rendered / rate) * 1000, 300, 1);
  });

  test(`at ${rate} Hz a cut in the middle counts what was rendered`, () => {
    const queue = new PlayQueue(rate);
    queue.begin("a");
    queue.push(pcm(1000));
    const { rendered } = read(queue, 420, rate);
    const [cut] = queue.flush();
    near(cut.playedMs, (rendered / rate) * 1000);
    near(cut.playedMs, 420, 3);
  });
}

test("playing waits until the jitter buffer is filled", () => {
  const queue = new PlayQueue(24000);
  queue.begin("a");
  queue.push(pcm(40));
  assert.equal(read(queue, 50, 24000).rendered, 0);
  queue.push(pcm(60));
  assert.ok(read(queue, 50, 24000).rendered > 0);
});

test("a short answer does not wait for a buffer it cannot fill", () => {
  const queue = new PlayQueue(24000);
  queue.begin("a");
  queue.push(pcm(30));
  queue.end("a");
  assert.deepEqual(read(queue, 60, 24000).finished.map((one) => one.id), ["a"]);
});

test("sound that comes slowly is played after the longest wait", () => {
  const queue = new PlayQueue(24000);
  queue.begin("a");
  queue.push(pcm(30));
  assert.equal(read(queue, 140, 24000).rendered, 0);
  assert.ok(read(queue, 60, 24000).rendered > 0);
});

test("two items that follow each other are counted apart", () => {
  const queue = new PlayQueue(48000);
  queue.begin("a");
  queue.push(pcm(200));
  queue.begin("b");
  queue.push(pcm(400));
  read(queue, 300, 48000);
  near(queue.playedMs("a"), 200);
  near(queue.playedMs("b"), 100, 5);
  assert.equal(queue.current().id, "b");
});

test("a flush names every item that was not heard to its end", () => {
  const queue = new PlayQueue(24000);
  for (const id of ["a", "b", "c"]) {
    queue.begin(id);
    queue.push(pcm(100));
  }
  read(queue, 150, 24000);
  const cut = queue.flush();
  assert.deepEqual(cut.map((one) => one.id), ["b", "c"]);
  assert.equal(cut[1].playedMs, 0);
});

test("after a flush there is silence, and the next item counts from zero", () => {
  const queue = new PlayQueue(24000);
  queue.begin("a");
  queue.push(pcm(500));
  read(queue, 200, 24000);
  queue.flush();
  assert.ok(read(queue, 100, 24000).samples.every((sample) => sample === 0));
  queue.begin("b");
  queue.push(pcm(300));
  read(queue, 100, 24000);
  near(queue.playedMs("b"), 100, 6);
});

test("starving is silence that does not count as heard", () => {
  const queue = new PlayQueue(24000);
  queue.begin("a");
  queue.push(pcm(100));
  read(queue, 500, 24000);
  near(queue.playedMs("a"), 100, 1);
  queue.push(pcm(100));
  queue.end("a");
  const { finished } = read(queue, 300, 24000);
  near(finished[0].playedMs, 200);
});

test("an end that comes after the sound still finishes the item", () => {
  const queue = new PlayQueue(48000);
  queue.begin("a");
  queue.push(pcm(100));
  assert.deepEqual(read(queue, 300, 48000).finished, []);
  queue.end("a");
  assert.deepEqual(read(queue, 20, 48000).finished.map((one) => one.id), ["a"]);
});

test("the fade of a cut is heard but not counted", () => {
  const queue = new PlayQueue(24000);
  queue.begin("a");
  queue.push(pcm(500));
  read(queue, 200, 24000);
  const before = queue.playedMs("a");
  const tail = queue.fadeOut();
  assert.equal(tail.length, 144);
  assert.ok(Math.abs(tail.at(-1)) < Math.abs(tail[0]));
  assert.equal(queue.flush()[0].playedMs, before);
});
