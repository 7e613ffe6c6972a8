import assert from "node:assert/strict";
import { test } from "node:test";

import { Written } from "../../static/js/call/written.js";

const said = (text) => ({ text, attachments: [], answer: true });

test("what waits for the line is due once, first said first", () => {
  const written = new Written();
  written.wait(said("one"));
  written.wait(said("two"));
  assert.deepEqual(written.due(), [said("one"), said("two")]);
  assert.deepEqual(written.due(), []);
});

test("what the server did not get comes back when it is over", () => {
  const written = new Written();
  written.send("item_1", said("stored"));
  written.send("item_2", said("known"));
  written.send("item_3", said("on its way"));
  written.wait(said("waiting"));
  written.take({ type: "nextvoice.saved", item_id: "item_1" });
  written.take({ type: "conversation.item.added", item: { id: "item_2" } });
  const { said: unsent, items } = written.end({ arrives: false });
  assert.deepEqual(unsent, [said("on its way"), said("waiting")]);
  assert.deepEqual(items, ["item_3"]);
  assert.deepEqual(written.end({ arrives: false }), { said: [], items: [] });
});

test("what was sent before a goodbye arrives", () => {
  const written = new Written();
  written.send("item_1", said("sent"));
  written.wait(said("waiting"));
  assert.deepEqual(written.end({ arrives: true }), { said: [said("waiting")], items: [] });
});

test("what was refused comes back at once, and only once", () => {
  const written = new Written();
  written.send("item_1", said("too long"));
  assert.deepEqual(written.refused("item_1"), said("too long"));
  assert.equal(written.refused("item_1"), null);
  assert.deepEqual(written.end({ arrives: false }).said, []);
});
