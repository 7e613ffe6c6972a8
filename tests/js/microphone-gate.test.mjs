import assert from "node:assert/strict";
import { test } from "node:test";

import { MicrophoneGate } from "../../static/js/call/microphone-gate.js";

function frame(value) {
  return Int16Array.of(value, value).buffer;
}

function values(frames) {
  return frames.map((one) => new Int16Array(one)[0]);
}

test("hands-free lets everything through", () => {
  const gate = new MicrophoneGate();
  assert.deepEqual(values(gate.pass(frame(7))), [7]);
});

test("muting sends a second of silence, so that the turn ends, and then nothing", () => {
  const gate = new MicrophoneGate();
  gate.mute(true);
  const sent = Array.from({ length: 40 }, () => gate.pass(frame(7))).flat();
  assert.equal(sent.length, 25);
  assert.deepEqual(new Set(values(sent)), new Set([0]));
});

test("unmuting lets the voice through again", () => {
  const gate = new MicrophoneGate();
  gate.mute(true);
  gate.mute(false);
  assert.deepEqual(values(gate.pass(frame(7))), [7]);
});

test("hold to talk sends nothing until the press, then also what was said just before", () => {
  const gate = new MicrophoneGate();
  gate.handsFree = false;
  for (const value of [1, 2, 3, 4, 5, 6, 7]) assert.deepEqual(gate.pass(frame(value)), []);
  gate.press();
  assert.deepEqual(values(gate.pass(frame(8))), [3, 4, 5, 6, 7, 8]);
  assert.deepEqual(values(gate.pass(frame(9))), [9]);
});

test("a slip of the finger is no turn, a held word is", () => {
  const gate = new MicrophoneGate();
  gate.handsFree = false;
  gate.press();
  gate.pass(frame(1));
  assert.equal(gate.release(), false);
  gate.press();
  for (let at = 0; at < 5; at++) gate.pass(frame(1));
  assert.equal(gate.release(), true);
  assert.deepEqual(gate.pass(frame(1)), []);
});

test("muting while holding to talk owes no silence", () => {
  const gate = new MicrophoneGate();
  gate.handsFree = false;
  gate.mute(true);
  assert.deepEqual(gate.pass(frame(1)), []);
});

test("silence goes on while the server still hears the person, but not for ever", () => {
  const gate = new MicrophoneGate();
  gate.heard = true;
  gate.mute(true);
  const pass = (count) => Array.from({ length: count }, () => gate.pass(frame(7))).flat().length;
  assert.equal(pass(100), 100);
  gate.heard = false;
  assert.equal(pass(10), 0);
  gate.mute(false);
  gate.heard = true;
  gate.mute(true);
  assert.equal(pass(400), 300);
});
