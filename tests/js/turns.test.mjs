import assert from "node:assert/strict";
import { test } from "node:test";

import { MicrophoneGate } from "../../static/js/call/microphone-gate.js";
import { Turns } from "../../static/js/call/turns.js";

function setUp(mode) {
  const gate = new MicrophoneGate();
  const sent = [];
  const applied = [];
  const audio = [];
  const turns = new Turns(gate, mode, {
    send: (event) => sent.push(event.type),
    sendAudio: (frame) => audio.push(frame.byteLength),
    apply: (event) => applied.push(event),
    interrupt: () => applied.push("interrupt"),
  });
  const say = (frames) => {
    for (let at = 0; at < frames; at++) gate.pass(new ArrayBuffer(1920));
  };
  return { turns, gate, sent, applied, audio, say };
}

const SENT = ["input_audio_buffer.commit", "response.create"];

test("one tap begins, the next one sends", () => {
  const { turns, sent, applied, say } = setUp("tap");
  turns.tap();
  assert.deepEqual([turns.held, applied], [true, ["interrupt", "speech_started"]]);
  say(50);
  turns.tap();
  assert.deepEqual([turns.held, sent, applied.at(-1)], [false, SENT, "speech_stopped"]);
});

test("a turn can be taken back", () => {
  const { turns, sent, applied, say } = setUp("tap");
  turns.tap();
  say(50);
  turns.discard();
  assert.deepEqual([sent, applied.at(-1)], [["input_audio_buffer.clear"], "speech_dropped"]);
});

test("hands-free nothing is done by hand", () => {
  const { turns, sent, applied } = setUp("free");
  turns.press();
  turns.tap();
  turns.release();
  turns.discard();
  assert.deepEqual([sent, applied], [[], []]);
});

test("muting sends what was said by hand", () => {
  const { turns, sent, say } = setUp("hold");
  turns.press();
  say(20);
  turns.mute(true);
  assert.deepEqual([sent, turns.muted], [SENT, true]);
  turns.press();
  assert.equal(turns.held, false);
});

test("changing to holding completes what the server hears, and clears the room's noise after it", () => {
  const { turns, gate, sent } = setUp("free");
  gate.heard = true;
  const after = turns.change("hold");
  assert.deepEqual([sent, turns.mode, gate.handsFree], [SENT, "hold", false]);
  after();
  assert.equal(sent.at(-1), "input_audio_buffer.clear");
});

test("changing to hands-free completes what is being held", () => {
  const { turns, sent, say } = setUp("tap");
  turns.tap();
  say(20);
  turns.change("free")();
  assert.deepEqual([sent, turns.held], [SENT, false]);
});

test("staying as it is tells nobody", () => {
  const { turns, sent } = setUp("hold");
  turns.change("hold")();
  assert.deepEqual(sent, []);
});

test("a microphone that falls silent ends the turn: by silence, or by sending it", () => {
  const free = setUp("free");
  free.turns.close();
  assert.deepEqual(free.audio, []);
  free.gate.heard = true;
  free.turns.close();
  assert.deepEqual([free.audio.length, new Set(free.audio)], [40, new Set([1920])]);
  const held = setUp("hold");
  held.turns.press();
  held.say(20);
  held.turns.close();
  assert.deepEqual([held.sent, held.audio], [SENT, []]);
});
