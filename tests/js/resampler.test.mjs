import assert from "node:assert/strict";
import { test } from "node:test";

import { Resampler } from "../../static/js/audio/resampler.js";

function sine(frequency, rate, seconds) {
  return Float32Array.from({ length: rate * seconds }, (_, at) =>
    Math.sin((2 * Math.PI * frequency * at) / rate),
  );
}

function convert(samples, from, to, block = 128) {
  const resampler = new Resampler(from, to);
  const parts = [];
  for (let at = 0; at < samples.length; at += block) {
    parts.push(...resampler.push(samples.subarray(at, at + block)));
  }
  parts.push(...resampler.drain());
  return Float32Array.from(parts);
}

function rms(samples) {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
}

for (const [from, to] of [
  [48000, 24000], [44100, 24000], [96000, 24000], [16000, 24000], [8000, 24000], [24000, 24000],
  [22050, 24000], [24000, 48000], [24000, 44100],
]) {
  test(`${from} Hz becomes ${to} Hz: as long as before`, () => {
    assert.equal(convert(new Float32Array(from), from, to).length, to);
  });

  test(`${from} Hz becomes ${to} Hz: a tone keeps its pitch, height and place`, () => {
    const got = convert(sine(1000, from, 0.5), from, to);
    const wanted = sine(1000, to, 0.5);
    const middle = [Math.round(0.05 * to), Math.round(0.45 * to)];
    const error = got.slice(...middle).map((sample, at) => sample - wanted[middle[0] + at]);
    assert.ok(rms(error) < 0.001, `error ${rms(error)}`);
  });
}

for (const frequency of [14000, 17000, 20000]) {
  test(`${frequency} Hz, which 24 kHz cannot hold, does not fold back`, () => {
    const got = convert(sine(frequency, 48000, 0.5), 48000, 24000);
    assert.ok(rms(got.slice(2000, 10000)) < 0.001);
  });
}

test("a constant stays that constant in every phase", () => {
  const got = convert(new Float32Array(44100).fill(0.5), 44100, 24000).slice(100, -100);
  assert.ok(got.every((sample) => Math.abs(sample - 0.5) < 1e-4));
});

test("the size of the blocks changes nothing", () => {
  const samples = sine(440, 44100, 0.2);
  assert.deepEqual(convert(samples, 44100, 24000, 128), convert(samples, 44100, 24000, 1009));
});

test("after a reset it begins anew", () => {
  const resampler = new Resampler(48000, 24000);
  const samples = sine(440, 48000, 0.1);
  const first = resampler.push(samples).slice();
  resampler.reset();
  assert.deepEqual(resampler.push(samples).slice(), first);
});
