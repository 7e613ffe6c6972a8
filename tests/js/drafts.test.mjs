import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { draftOf, forgetDrafts, joined, keepDraft } from "../../static/js/helpers/storage.js";

/** A fake Storage that keeps items as its own properties, as the browser's does. */
class StorageDouble {
  getItem(key) {
    return Object.hasOwn(this, key) ? this[key] : null;
  }

  setItem(key, value) {
    this[key] = value;
  }

  removeItem(key) {
    delete this[key];
  }
}

beforeEach(() => {
  globalThis.sessionStorage = new StorageDouble();
});

test("each conversation has its own draft, until it is empty", () => {
  keepDraft("c1", "one ");
  keepDraft("c2", "two");
  assert.equal(draftOf("c1"), "one ");
  keepDraft("c1", "  ");
  assert.equal(draftOf("c1"), "");
  assert.equal(draftOf("c2"), "two");
});

test("all drafts are forgotten at once, and nothing else is", () => {
  keepDraft("c1", "one");
  keepDraft("c2", "two");
  sessionStorage.setItem("other", "stays");
  forgetDrafts();
  assert.deepEqual({ ...sessionStorage }, { other: "stays" });
});

test("without storage nothing is kept, and nothing breaks", () => {
  globalThis.sessionStorage = undefined;
  keepDraft("c1", "one");
  forgetDrafts();
  assert.equal(draftOf("c1"), "");
});

test("what could not be sent comes before what was typed since", () => {
  assert.equal(joined("first", "second"), "first\nsecond");
  assert.equal(joined("first", ""), "first");
  assert.equal(joined("", "second"), "second");
});
