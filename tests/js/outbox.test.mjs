import assert from "node:assert/strict";
import { test } from "node:test";

import { Outbox } from "../../static/js/call/socket.js";

const FRAME_SAMPLES = 960; // 40 ms

function sound(value) {
  return new Int16Array(FRAME_SAMPLES).fill(value).buffer;
}

function event(type) {
  return JSON.stringify({ type });
}

function names(frames) {
  return frames.map((frame) => (typeof frame === "string" ? JSON.parse(frame).type : new Int16Array(frame)[0]));
}

/** A fake socket; set `bufferedAmount` to make it busy. */
class Port {
  bufferedAmount = 0;
  sent = [];

  send(frame) {
    this.sent.push(frame);
  }
}

function filled(frames, port = new Port()) {
  const outbox = new Outbox();
  for (const frame of frames) outbox.push(frame);
  outbox.pump(port);
  return { outbox, port };
}

test("frames go out in the order they came, and each counts", () => {
  const { outbox, port } = filled([sound(1), event("input_audio_buffer.commit"), sound(2)]);
  assert.deepEqual(names(port.sent), [1, "input_audio_buffer.commit", 2]);
  assert.equal(outbox.sent, 3);
  assert.equal(outbox.audioSent, 2);
});

test("a busy line is left alone until it has room", () => {
  const port = new Port();
  port.bufferedAmount = 20_000;
  const { outbox } = filled([sound(1)], port);
  assert.deepEqual([port.sent.length, outbox.waiting], [0, 1]);
  port.bufferedAmount = 0;
  outbox.pump(port);
  assert.deepEqual([port.sent.length, outbox.waiting], [1, 0]);
});

test("of sound that cannot be sent the newest 1.8 seconds wait", () => {
  const outbox = new Outbox();
  for (let at = 0; at < 100; at++) outbox.push(sound(at));
  assert.deepEqual([outbox.waiting, outbox.audioDropped], [45, 55]);
  const port = new Port();
  outbox.pump(port);
  assert.deepEqual(names(port.sent).slice(0, 2), [55, 56]);
});

test("events are never dropped for sound, and keep their place in it", () => {
  const outbox = new Outbox();
  outbox.push(event("response.cancel"));
  for (let at = 0; at < 46; at++) outbox.push(sound(at));
  outbox.push(event("input_audio_buffer.commit"));
  const port = new Port();
  outbox.pump(port);
  const sent = names(port.sent);
  assert.deepEqual([sent[0], sent[1], sent.at(-1)], ["response.cancel", 1, "input_audio_buffer.commit"]);
});

test("it knows whether somebody spoke in what was dropped", () => {
  const quiet = new Outbox();
  const loud = new Outbox();
  for (let at = 0; at < 46; at++) {
    quiet.push(sound(0));
    loud.push(sound(8000));
  }
  assert.deepEqual([quiet.lostSpeech, loud.lostSpeech], [false, true]);
});

test("a resume sends again exactly what did not arrive, and counts on from there", () => {
  const { outbox } = filled([sound(1), event("a"), sound(2), event("b"), sound(3)]);
  outbox.push(sound(4));
  outbox.resume(3);
  const port = new Port();
  outbox.pump(port);
  assert.deepEqual(names(port.sent), ["b", 3, 4]);
  assert.equal(outbox.sent, 6);
});

test("a second resume counts what the first one sent again", () => {
  const { outbox } = filled([event("a"), event("b"), event("c")]);
  outbox.resume(1);
  outbox.pump(new Port());
  outbox.resume(2);
  const port = new Port();
  outbox.pump(port);
  assert.deepEqual(names(port.sent), ["c"]);
});

test("a resume after which nothing is missing sends nothing", () => {
  const { outbox } = filled([sound(1), event("a")]);
  outbox.resume(2);
  assert.equal(outbox.waiting, 0);
});

test("long ago sound is not said again, but every event is", () => {
  const { outbox } = filled([event("a"), ...Array.from({ length: 40 }, (_, at) => sound(at))]);
  for (let at = 40; at < 80; at++) outbox.push(sound(at));
  outbox.pump(new Port());
  outbox.resume(0);
  const port = new Port();
  outbox.pump(port);
  const sent = names(port.sent);
  assert.deepEqual([sent[0], sent[1], sent.length], ["a", 35, 46]);
});

test("into a new call goes only what the person put in and nobody has got", () => {
  const { outbox } = filled([event("input_audio_buffer.commit"), sound(1)]);
  for (const frame of [sound(2), event("nextvoice.played"), event("conversation.item.truncate")]) {
    outbox.push(frame);
  }
  outbox.push(event("conversation.item.create"));
  outbox.push(event("response.create"));
  outbox.restart();
  const port = new Port();
  outbox.pump(port);
  assert.deepEqual(names(port.sent), [2, "conversation.item.create", "response.create"]);
  assert.equal(outbox.sent, 3);
});

test("it knows whether somebody spoke in what the server lacks and nobody has any more", () => {
  const lost = (value, received) => {
    const { outbox } = filled(Array.from({ length: 100 }, () => sound(value)));
    const more = Array.from({ length: 100 }, () => sound(value));
    for (const frame of more) {
      outbox.push(frame);
      outbox.pump(new Port());
    }
    outbox.lostSpeech = false; // of what never went out
    outbox.resume(received);
    return outbox.lostSpeech;
  };
  const sent = 145;
  assert.deepEqual([lost(8000, 20), lost(8000, sent - 46), lost(8000, sent - 45)], [true, true, false]);
  assert.equal(lost(0, 20), false);
});
