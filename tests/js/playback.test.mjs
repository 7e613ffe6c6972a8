import assert from "node:assert/strict";
import { test } from "node:test";

import { Playback } from "../../static/js/call/playback.js";

/** A fake Player that renders nothing and records its calls. */
class Speaker {
  played = [];
  ended = [];
  cut = [];

  play(id, pcm) {
    this.played.push([id, pcm.byteLength]);
  }

  end(id) {
    this.ended.push(id);
  }

  duck() {}

  async flush() {
    return this.cut;
  }
}

function setUp() {
  const speaker = new Speaker();
  const playback = new Playback(speaker);
  const sent = [];
  playback.send = (event) => sent.push(event);
  return { speaker, playback, sent };
}

function sound(milliseconds) {
  return new ArrayBuffer(milliseconds * 48);
}

test("a cut truncates at what was heard, after saying it was played", async () => {
  const { speaker, playback, sent } = setUp();
  playback.begin({ item_id: "a", content_index: 2 });
  playback.play("a", sound(1000));
  speaker.cut = [{ id: "a", playedMs: 412.7 }];
  assert.deepEqual(await playback.cut(), [{ id: "a", fraction: 0.412 }]);
  const where = { item_id: "a", content_index: 2, audio_end_ms: 412 };
  assert.deepEqual(sent, [
    { type: "nextvoice.played", ...where },
    { type: "conversation.item.truncate", ...where },
  ]);
});

test("of an answer that is refused before its sound comes nothing was heard, which is told once", () => {
  const { speaker, playback, sent } = setUp();
  playback.begin({ item_id: "a", content_index: 1 });
  assert.deepEqual([playback.refuse("a"), playback.refuse("a")], [true, false]);
  playback.play("a", sound(100));
  const where = { item_id: "a", content_index: 1, audio_end_ms: 0 };
  assert.deepEqual(sent, [
    { type: "nextvoice.played", ...where },
    { type: "conversation.item.truncate", ...where },
  ]);
  assert.deepEqual(speaker.played, []);
});

test("a truncation never goes beyond what was received", async () => {
  const { speaker, playback, sent } = setUp();
  playback.play("a", sound(100));
  speaker.cut = [{ id: "a", playedMs: 250 }];
  await playback.cut();
  assert.equal(sent[1].audio_end_ms, 100);
});

test("an answer that waits behind the one being heard is truncated to nothing", async () => {
  const { speaker, playback, sent } = setUp();
  playback.play("a", sound(100));
  playback.play("b", sound(100));
  speaker.cut = [{ id: "a", playedMs: 50 }];
  await playback.cut();
  const truncated = sent.filter((event) => event.type === "conversation.item.truncate");
  assert.deepEqual(truncated.map((event) => [event.item_id, event.audio_end_ms]), [["a", 50], ["b", 0]]);
});

test("sound that comes after the cut stays unheard", async () => {
  const { speaker, playback } = setUp();
  playback.play("a", sound(100));
  await playback.cut();
  playback.play("a", sound(100));
  assert.equal(speaker.played.length, 1);
  assert.equal(playback.pending, false);
});

test("a second cut in a row tells nothing twice", async () => {
  const { playback, sent } = setUp();
  playback.play("a", sound(100));
  await Promise.all([playback.cut(), playback.cut()]);
  assert.equal(sent.length, 2);
});

test("the first sound and the last are told", () => {
  const { speaker, playback, sent } = setUp();
  const told = [];
  playback.onstarted = () => told.push("started");
  playback.onstopped = () => told.push("stopped");
  playback.play("a", sound(100));
  speaker.onposition = null;
  playback.play("b", sound(100));
  const { onfinished } = speaker;
  onfinished({ id: "a", playedMs: 100 });
  assert.deepEqual(told, []);
  onfinished({ id: "b", playedMs: 100 });
  assert.deepEqual(told, ["stopped"]);
  assert.deepEqual(sent.map((event) => event.audio_end_ms), [100, 100]);
  assert.equal(playback.itemsHeard, 2);
});

test("positions are reported, but not at each one", () => {
  const { speaker, playback, sent } = setUp();
  let started = 0;
  playback.onstarted = () => started++;
  playback.play("a", sound(1000));
  for (const playedMs of [50, 100, 150]) speaker.onposition({ id: "a", playedMs, level: 0.1 });
  assert.equal(started, 1);
  assert.equal(playback.speaking, true);
  assert.deepEqual(sent.map((event) => [event.type, event.audio_end_ms]), [["nextvoice.played", 50]]);
});

test("the end of a response ends every item that still plays", () => {
  const { speaker, playback } = setUp();
  playback.play("a", sound(100));
  playback.play("b", sound(100));
  playback.endAll();
  assert.deepEqual(speaker.ended, ["a", "b"]);
});
