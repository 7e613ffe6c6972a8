import assert from "node:assert/strict";
import { test } from "node:test";

import { fileSize } from "../../static/js/helpers/strings.js";

for (const [bytes, locale, shown] of [
  [0, "en", "0 bytes"],
  [1, "en", "1 byte"],
  [103, "en", "103 bytes"],
  [103, "de", "103 Byte"],
  [319_488, "en", "312 kB"],
  [1_468_006, "en", "1.4 MB"],
]) {
  test(`${bytes} bytes in ${locale} are shown as ${shown}`, () => assert.equal(fileSize(bytes, locale), shown));
}
