import assert from "node:assert/strict";
import { test } from "node:test";

import { Applied } from "../../static/js/call/choice.js";

const MODEL = { id: 1 };

function options(session, { model = MODEL, mode = "voice" } = {}) {
  return { choice: { model, session }, mode };
}

const BEGUN = { instructions: "Hi", audio: { output: { voice: "cedar", speed: 1 } } };

test("a call begins with what is chosen", () => {
  assert.deepEqual(new Applied().begin(options(BEGUN)), {
    output_modalities: ["audio"], model: "1", session: BEGUN,
  });
});

test("a written call begins without sound", () => {
  assert.deepEqual(new Applied().begin(options(BEGUN, { mode: "text" })), {
    output_modalities: ["text"], model: "1", session: { instructions: "Hi" },
  });
});

test("what changed is told once", () => {
  const applied = new Applied();
  applied.begin(options(BEGUN));
  const changed = options({ instructions: "Hi", audio: { output: { voice: "cedar", speed: 1.2 } } });
  assert.deepEqual(applied.update(changed, { spoke: true }), { audio: { output: { speed: 1.2 } } });
  assert.equal(applied.update(changed, { spoke: true }), null);
});

test("a voice that was heard waits for another call", () => {
  const applied = new Applied();
  applied.begin(options(BEGUN));
  const changed = options({ ...BEGUN, audio: { output: { voice: "marin", speed: 1 } } });
  assert.equal(applied.pending(changed), "voice");
  assert.equal(applied.update(changed, { spoke: true }), null);
  assert.deepEqual(applied.update(changed, { spoke: false }), { audio: { output: { voice: "marin" } } });
  assert.equal(applied.pending(changed), null);
});

test("another model needs another call", () => {
  const applied = new Applied();
  applied.begin(options(BEGUN));
  const changed = options(BEGUN, { model: { id: 2 } });
  assert.deepEqual([applied.pending(changed), applied.fits(changed.choice)], ["model", false]);
  applied.clear();
  assert.deepEqual([applied.pending(changed), applied.fits({ model: MODEL })], [null, false]);
});
