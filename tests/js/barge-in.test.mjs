import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { BargeIn } from "../../static/js/call/barge-in.js";
import { Coughs } from "../../static/js/call/barge-in.js";

/** An answer that records what happens to it. */
class Answer {
  pending = true;
  sound = false;
  told = [];

  pause() {
    this.told.push("pause");
  }

  resume() {
    this.told.push("resume");
  }

  cut() {
    this.told.push("cut");
  }

  sounding() {
    return this.sound;
  }
}

let now;

beforeEach(() => {
  now = 0;
  mock.timers.enable({ apis: ["setTimeout"] });
});
afterEach(() => mock.timers.reset());

function setUp({ holdMs = 300 } = {}) {
  const answer = new Answer();
  const bargeIn = new BargeIn(answer, () => now);
  bargeIn.holdMs = holdMs;
  return { answer, bargeIn };
}

function pass(milliseconds) {
  now += milliseconds;
  mock.timers.tick(milliseconds);
}

test("speech that lasts cuts the answer, which was paused from its first sound on", () => {
  const { answer, bargeIn } = setUp();
  bargeIn.voice();
  assert.deepEqual(answer.told, ["pause"]);
  pass(120);
  assert.equal(bargeIn.started("a"), true);
  answer.sound = true;
  pass(179);
  assert.deepEqual(answer.told, ["pause"]);
  pass(1);
  assert.deepEqual(answer.told, ["pause", "cut", "resume"]);
  assert.equal(bargeIn.isCough("a"), false);
});

test("a cough lets the answer go on", () => {
  const { answer, bargeIn } = setUp();
  bargeIn.voice();
  pass(150);
  bargeIn.started("a");
  pass(150);
  bargeIn.stopped();
  assert.deepEqual(answer.told, ["pause", "resume"]);
  assert.equal(bargeIn.isCough("a"), true);
  pass(5000);
  assert.deepEqual(answer.told, ["pause", "resume"]);
});

test("what the server hears first pauses the answer too", () => {
  const { answer, bargeIn } = setUp();
  bargeIn.started("a");
  pass(299);
  assert.deepEqual(answer.told, ["pause"]);
  pass(1);
  assert.deepEqual(answer.told, ["pause", "resume"]);
});

test("a soft voice that was taken for a cough cuts the answer when it goes on", () => {
  const { answer, bargeIn } = setUp();
  bargeIn.started("a");
  pass(300);
  pass(1200);
  assert.deepEqual(answer.told, ["pause", "resume", "cut", "resume"]);
  assert.equal(bargeIn.isCough("a"), false);
});

test("a person who coughs and then speaks on interrupts", () => {
  const { answer, bargeIn } = setUp();
  bargeIn.started("a");
  pass(300);
  bargeIn.voice();
  answer.sound = true;
  pass(300);
  assert.deepEqual(answer.told, ["pause", "resume", "pause", "cut", "resume"]);
  assert.equal(bargeIn.isCough("a"), false);
});

test("a sound that the server does not take for speech only pauses a moment", () => {
  const { answer, bargeIn } = setUp();
  bargeIn.voice();
  bargeIn.quiet();
  assert.deepEqual(answer.told, ["pause", "resume"]);
  bargeIn.voice();
  pass(700);
  assert.deepEqual(answer.told, ["pause", "resume", "pause", "resume"]);
});

test("in a loud room it leaves the guessing to the server", () => {
  const { answer, bargeIn } = setUp();
  for (let at = 0; at < 5; at++) {
    bargeIn.voice();
    bargeIn.quiet();
  }
  assert.equal(answer.told.length, 4);
  bargeIn.started("a");
  assert.equal(answer.told.length, 5);
});

test("without a hold the server's word cuts at once, and that is left to the call", () => {
  const { answer, bargeIn } = setUp({ holdMs: 0 });
  bargeIn.voice();
  assert.equal(bargeIn.started("a"), false);
  assert.deepEqual(answer.told, ["pause", "resume"]);
});

test("where nothing is answered there is nothing to judge", () => {
  const { answer, bargeIn } = setUp();
  answer.pending = false;
  bargeIn.voice();
  assert.equal(bargeIn.started("a"), false);
  assert.deepEqual(answer.told, []);
});

test("an answer that was stopped otherwise is not left paused", () => {
  const { answer, bargeIn } = setUp();
  bargeIn.started("a");
  bargeIn.reset();
  pass(5000);
  assert.deepEqual(answer.told, ["pause", "resume"]);
});

function cough() {
  const { answer, bargeIn } = setUp();
  const sent = [];
  let stopped = 0;
  const coughs = new Coughs(bargeIn, { send: (event) => sent.push(event), interrupt: () => stopped++ });
  bargeIn.started("a");
  pass(300);
  bargeIn.stopped();
  return { answer, coughs, sent, stopped: () => stopped };
}

test("a cough without words is taken out of the conversation, and answered by nobody", () => {
  const { coughs, sent } = cough();
  coughs.committed("a", false);
  assert.equal(coughs.isAnswered(), true);
  assert.equal(coughs.isAnswered(), false);
  coughs.transcribed("a", " ");
  assert.deepEqual(sent, [{ type: "conversation.item.delete", item_id: "a" }]);
});

test("while an answer is being made no other one is expected", () => {
  const { coughs } = cough();
  coughs.committed("a", true);
  assert.equal(coughs.isAnswered(), false);
});

test("a short word is no cough: it interrupts and is answered", () => {
  const { coughs, sent, stopped } = cough();
  coughs.committed("a", true);
  coughs.transcribed("a", "Stop!");
  assert.deepEqual([sent, stopped()], [[{ type: "response.create" }], 1]);
  coughs.transcribed("a", "Stop!");
  assert.equal(sent.length, 1);
});

test("a short word that the provider is about to answer is not answered twice", () => {
  const { coughs, sent, stopped } = cough();
  coughs.committed("a", false);
  coughs.transcribed("a", "No");
  assert.deepEqual([sent, stopped(), coughs.isAnswered()], [[], 0, false]);
});

test("where nothing is written down a cough goes when it is over", () => {
  const { coughs, sent } = cough();
  coughs.written = false;
  coughs.committed("a", true);
  assert.deepEqual(sent, [{ type: "conversation.item.delete", item_id: "a" }]);
});

test("turns that were no cough are left alone", () => {
  const { coughs, sent } = cough();
  coughs.committed("b", false);
  coughs.transcribed("b", "");
  assert.deepEqual([sent, coughs.isAnswered()], [[], false]);
});
