import assert from "node:assert/strict";
import { test } from "node:test";

import { clock, dayName, localeOf, moment, relativeTime, soundLength, timeOfDay } from "../../static/js/helpers/time.js";

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

for (const [date, locale, name] of [
  [new Date(2026, 10, 22, 0, 0, 1), "en", "Today"],
  [new Date(2026, 10, 21, 23, 59), "en", "Yesterday"],
  [new Date(2026, 10, 19, 1, 0), "en", "Thursday, November 19"],
  [new Date(2025, 11, 31, 12, 0), "en", "Wednesday, December 31, 2025"],
  [new Date(2026, 10, 21, 0, 0), "fr", "Hier"],
  [new Date(2026, 10, 19, 1, 0), "fr", "Jeudi 19 novembre"],
]) {
  test(`${date.toDateString()} is "${name}" on Nov 22`, () => assert.equal(dayName(date, NOW, locale), name));
}

for (const [date, words] of [
  [new Date(2026, 10, 22, 9, 5), /^9:05.AM$/],
  [new Date(2026, 0, 2, 9, 5), /^Jan 2, 9:05.AM$/],
  [new Date(2025, 0, 2, 9, 5), /^Jan 2, 2025, 9:05.AM$/],
]) {
  test(`a call of ${date.toDateString()} began ${words} on Nov 22`, () => assert.match(moment(date, NOW, "en"), words));
}

test("times are written as where the person is, in the language of the page", () => {
  assert.equal(localeOf("en", ["de-DE", "en-GB", "en-US"]), "en-GB");
  assert.equal(localeOf("en", ["de-DE", "de"]), "en");
  assert.equal(localeOf("en"), "en");
  assert.equal(timeOfDay(new Date(2026, 10, 22, 19, 5), localeOf("en", ["en-GB"])), "19:05");
});
