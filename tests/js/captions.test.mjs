import assert from "node:assert/strict";
import { test } from "node:test";

import { Captions, heardPart } from "../../static/js/call/captions.js";

const TRANSCRIPT = "conversation.item.input_audio_transcription";

function added(id, role, previous = null, content = [{ type: "input_audio" }]) {
  return {
    type: "conversation.item.added",
    previous_item_id: previous,
    item: { id, type: "message", role, status: "in_progress", content },
  };
}

function taken(...events) {
  const captions = new Captions();
  for (const event of events) captions.take(event);
  return captions;
}

function shown(captions) {
  return captions.items.map(({ id, text, status }) => [id, text, status]);
}

test("a question and its answer stand in the order they were said", () => {
  const captions = taken(
    { type: "input_audio_buffer.speech_started", item_id: "u1" },
    { type: "input_audio_buffer.committed", item_id: "u1", previous_item_id: null },
    added("a1", "assistant", "u1", []),
    { type: "response.output_audio_transcript.delta", item_id: "a1", delta: "It is " },
    { type: "response.output_audio_transcript.delta", item_id: "a1", delta: "noon." },
    { type: `${TRANSCRIPT}.completed`, item_id: "u1", transcript: "What time is it?" },
  );
  assert.deepEqual(shown(captions), [
    ["u1", "What time is it?", "completed"],
    ["a1", "It is noon.", "in_progress"],
  ]);
});

test("a question heard of only by its late transcript goes before the answer", () => {
  const captions = taken(
    added("a1", "assistant", "u1", []),
    { type: `${TRANSCRIPT}.delta`, item_id: "u1", delta: "Hello" },
  );
  assert.deepEqual(captions.items.map((item) => item.id), ["u1", "a1"]);
});

test("items that come shuffled follow previous_item_id", () => {
  const captions = taken(
    added("c", "user", "b"),
    added("b", "assistant", "a", []),
    added("a", "user", null),
  );
  assert.deepEqual(captions.items.map((item) => item.id), ["a", "b", "c"]);
});

test("an item without a predecessor comes last", () => {
  const captions = taken(added("a", "user"), added("b", "user"));
  assert.deepEqual(captions.items.map((item) => item.id), ["a", "b"]);
});

test("deltas grow the transcript and the final one replaces it", () => {
  const captions = taken(
    added("u", "user"),
    { type: `${TRANSCRIPT}.delta`, item_id: "u", delta: "wat" },
    { type: `${TRANSCRIPT}.delta`, item_id: "u", delta: " time" },
  );
  assert.equal(captions.get("u").text, "wat time");
  captions.take({ type: `${TRANSCRIPT}.completed`, item_id: "u", transcript: " What time? " });
  assert.equal(captions.get("u").text, "What time?");
});

test("words that could not be made out leave a completed item without text", () => {
  const captions = taken(added("u", "user"), { type: `${TRANSCRIPT}.completed`, item_id: "u", transcript: "" });
  assert.deepEqual(shown(captions), [["u", "", "completed"]]);
});

test("a failed transcription fails only its item", () => {
  const captions = taken(added("u", "user"), { type: `${TRANSCRIPT}.failed`, item_id: "u" });
  assert.equal(captions.get("u").status, "failed");
});

test("a typed message is complete as it is added", () => {
  const captions = taken(added("u", "user", null, [{ type: "input_text", text: "hi" }]));
  assert.deepEqual(shown(captions), [["u", "hi", "completed"]]);
  assert.equal(captions.get("u").kind, "typed");
});

test("a written answer is typed and completed by its response", () => {
  const captions = taken(
    { type: "response.output_text.delta", item_id: "a", delta: "Yes" },
    { type: "response.output_text.done", item_id: "a", text: "Yes." },
    { type: "response.done", response: { status: "completed", output: [{ id: "a" }] } },
  );
  assert.deepEqual(shown(captions), [["a", "Yes.", "completed"]]);
  assert.equal(captions.get("a").kind, "typed");
});

for (const [response, status] of [
  ["completed", "completed"], ["cancelled", "interrupted"], ["incomplete", "interrupted"],
  ["failed", "failed"],
]) {
  test(`a ${response} response leaves its item ${status}`, () => {
    const captions = taken(
      added("a", "assistant", null, []),
      { type: "response.output_audio_transcript.delta", item_id: "a", delta: "So" },
      { type: "response.done", response: { status: response, output: [{ id: "a" }] } },
    );
    assert.equal(captions.get("a").status, status);
  });
}

test("an interrupted answer keeps what was heard and takes no more words", () => {
  const captions = taken(
    added("a", "assistant", null, []),
    { type: "response.output_audio_transcript.delta", item_id: "a", delta: "one two three four" },
  );
  captions.interrupt("a", 0.5);
  captions.take({ type: "response.output_audio_transcript.delta", item_id: "a", delta: " five" });
  captions.take({ type: "response.output_audio_transcript.done", item_id: "a", transcript: "all" });
  assert.deepEqual(shown(captions), [["a", "one two three", "interrupted"]]);
});

test("what was stored at the end is believed", () => {
  const captions = taken(
    added("a", "assistant", null, []),
    { type: "nextvoice.saved", item_id: "a", text: "one two", status: "interrupted" },
  );
  assert.deepEqual(shown(captions), [["a", "one two", "interrupted"]]);
});

test("what was stored half-way does not undo newer words", () => {
  const captions = taken(
    added("u", "user"),
    { type: `${TRANSCRIPT}.completed`, item_id: "u", transcript: "Hello." },
    { type: "nextvoice.saved", item_id: "u", text: "", status: "in_progress" },
  );
  assert.deepEqual(shown(captions), [["u", "Hello.", "completed"]]);
});

test("a deleted item is gone and does not come back", () => {
  const captions = taken(
    added("u", "user"),
    { type: "conversation.item.deleted", item_id: "u" },
    { type: `${TRANSCRIPT}.delta`, item_id: "u", delta: "late" },
  );
  assert.deepEqual(captions.items, []);
});

test("silence after which the provider asks who is there is no message", () => {
  const captions = taken(
    { type: "input_audio_buffer.timeout_triggered", item_id: "u1", audio_start_ms: 0, audio_end_ms: 5000 },
    { type: "input_audio_buffer.committed", item_id: "u1", previous_item_id: null },
    added("u1", "user"),
    added("a1", "assistant", "u1", []),
    { type: "response.output_audio_transcript.delta", item_id: "a1", delta: "Are you there?" },
  );
  assert.deepEqual(shown(captions), [["a1", "Are you there?", "in_progress"]]);
});

test("a turn that another session hears again is there once", () => {
  const captions = taken(
    { type: "input_audio_buffer.speech_started", item_id: "u1" },
    { type: `${TRANSCRIPT}.delta`, item_id: "u1", delta: "What" },
  );
  captions.closeOpen();
  captions.take({ type: "input_audio_buffer.speech_started", item_id: "u2" });
  captions.take({ type: "nextvoice.removed", item_id: "u1", message_id: "m1" });
  captions.take({ type: `${TRANSCRIPT}.completed`, item_id: "u2", transcript: "What time is it?" });
  assert.deepEqual(shown(captions), [["u2", "What time is it?", "completed"]]);
});

test("a lost connection closes what was open", () => {
  const captions = taken(
    added("u", "user"),
    { type: "response.output_audio_transcript.delta", item_id: "a", delta: "It is" },
    added("b", "assistant", "a", []),
  );
  captions.closeOpen();
  assert.deepEqual(shown(captions), [["a", "It is", "interrupted"]]);
});

test("an answer that broke off before its first word is no message", () => {
  const captions = taken(
    added("a", "assistant", null, []),
    { type: "response.done", response: { status: "cancelled", output: [{ id: "a" }] } },
  );
  assert.deepEqual(shown(captions), []);
});

test("function calls and unknown events are no captions", () => {
  const captions = new Captions();
  assert.equal(captions.take({ type: "something.new" }), false);
  captions.take({ type: "conversation.item.added", item: { id: "f", type: "function_call" } });
  captions.take({ type: "response.output_item.added", item: { id: "f", type: "function_call" } });
  assert.deepEqual(captions.items, []);
});

test("every change is told once, with the item", () => {
  const told = [];
  const captions = new Captions((item) => told.push(item.text));
  captions.take(added("u", "user"));
  captions.take({ type: `${TRANSCRIPT}.delta`, item_id: "u", delta: "Hi" });
  assert.deepEqual(told, ["", "Hi"]);
});

test("the latest words of each side are found", () => {
  const captions = taken(
    added("u1", "user", null, [{ type: "input_text", text: "one" }]),
    added("u2", "user", "u1", [{ type: "input_text", text: "two" }]),
    added("u3", "user", "u2"),
  );
  assert.equal(captions.latest("user").text, "two");
  assert.equal(captions.latest("assistant"), null);
});

test("a heard part ends with a word, or anywhere where there are no spaces", () => {
  assert.equal(heardPart("one two three", 0), "");
  assert.equal(heardPart("one two three", 1), "one two three");
  assert.equal(heardPart("one two three", 0.8), "one two three");
  assert.equal(heardPart("one two three", 0.35), "one two");
  assert.equal(heardPart("声音在水里", 0.6), "声音在");
});

function answer(text) {
  const captions = new Captions();
  captions.take({ type: "response.output_item.added", item: { id: "a", type: "message", role: "assistant" } });
  captions.take({ type: "response.output_audio_transcript.delta", item_id: "a", delta: text });
  return captions;
}

test("an answer is heard word by word, and nothing of it twice", () => {
  const captions = answer("One two three four");
  assert.equal(captions.get("a").heard, 0);
  captions.hear("a", 0.3);
  assert.equal(captions.get("a").heard, "One two".length);
  captions.hear("a", 0.1);
  assert.equal(captions.get("a").heard, "One two".length);
  captions.heardAll("a");
  assert.equal(captions.get("a").heard, null);
  captions.hear("a", 0.5);
  assert.equal(captions.get("a").heard, null);
});

test("the same word heard on tells nobody", () => {
  let told = 0;
  const captions = new Captions(() => told++);
  captions.take({ type: "response.output_audio_transcript.delta", item_id: "a", delta: "Hello there" });
  told = 0;
  for (const fraction of [0.1, 0.2, 0.3]) captions.hear("a", fraction);
  assert.equal(told, 1);
});

test("what a person says is read as it stands", () => {
  const captions = new Captions();
  captions.take({ type: "input_audio_buffer.committed", item_id: "u" });
  assert.equal(captions.get("u").heard, null);
});

test("an interrupted answer keeps what was not heard", () => {
  const captions = answer("One two three four");
  captions.interrupt("a", 0.3);
  const { text, unheard, heard } = captions.get("a");
  assert.deepEqual([text, unheard, heard], ["One two", "three four", null]);
  captions.take({ type: "nextvoice.saved", item_id: "a", status: "interrupted", text: "One two three", unheard: "four" });
  assert.equal(captions.get("a").unheard, "four");
});

test("a function that waits for the person goes on, and one that was declined is over", () => {
  const states = [];
  const captions = new Captions((item) => states.push(item.status));
  for (const state of ["awaiting_approval", "in_progress", "completed", "declined"]) {
    captions.take({ type: "nextvoice.tool", item_id: "f", state });
  }
  assert.deepEqual([...new Set(states)], ["in_progress", "completed", "interrupted"]);
});
