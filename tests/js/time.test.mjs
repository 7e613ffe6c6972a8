import assert from "node:assert/strict";
import { test } from "node:test";

import { clock, relativeTime, soundLength } from "../../static/js/helpers/time.js";

const NOW = new Date(2026, 10, 22, 12, 0, 0);

function ago(seconds) {
  return relativeTime(new Date(NOW - seconds * 1000), NOW, "en");
}

for (const [seconds, words] of [
  [0, "now"], [44, "now"], [60, "1 minute ago"], [59 * 60, "59 minutes ago"],
  [3600, "1 hour ago"], [23 * 3600, "23 hours ago"], [86400, "yesterday"],
  [3 * 86400, "3 days ago"], [20 * 86400, "Nov 2"], [400 * 86400, "Oct 18, 2025"],
]) {
  test(`${seconds} seconds ago reads "${words}"`, () => assert.equal(ago(seconds), words));
}

test("times are told in the language of the page", () => {
  assert.equal(relativeTime(new Date(NOW - 7200_000), NOW, "de"), "vor 2 Stunden");
});

for (const [milliseconds, words] of [
  [0, "0:00"], [999, "0:00"], [7000, "0:07"], [754_000, "12:34"], [3_723_000, "1:02:03"], [-5, "0:00"],
]) {
  test(`${milliseconds} ms on the clock is ${words}`, () => assert.equal(clock(milliseconds), words));
}

for (const [milliseconds, words] of [[0, "0:00"], [300, "0:01"], [1600, "0:02"], [59_700, "1:00"]]) {
  test(`a sound of ${milliseconds} ms is ${words} long`, () => {
    assert.equal(soundLength(milliseconds), words);
  });
}
