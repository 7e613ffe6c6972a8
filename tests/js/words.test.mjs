import assert from "node:assert/strict";
import { test } from "node:test";

import { startOfWord } from "../../static/js/panels/words.js";

for (const [text, end, start] of [
  ["One two three", 7, 4],
  ["One two three", 3, 0],
  ["One two ", 8, 4],
  ["", 0, 0],
  ["你好世界", 2, 1],
  ["été – déjà", 10, 6],
]) {
  test(`the word that ends at ${end} of "${text}" begins at ${start}`, () => {
    assert.equal(startOfWord(text, end), start);
  });
}
