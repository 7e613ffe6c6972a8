import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { CallChoice } from "../../static/js/call/choice.js";
import {
  choiceOf, difference, fitted, pageOf, sessionOf, UNCHOSEN, withoutVoice, writtenPart,
} from "../../static/js/call/options.js";

const RICH = {
  id: "1",
  voices: ["marin", "cedar"],
  transcription_models: ["t1", "t2"],
  turn_settings: [
    "threshold", "prefix_padding_ms", "silence_duration_ms", "eagerness", "idle_timeout_ms",
    "interrupt_response",
  ],
  features: {
    turn_detection: ["server_vad", "semantic_vad", "none"],
    text: true,
    instructions: true,
    noise_reduction: ["near_field"],
    formats: ["audio/pcm", "audio/pcma"],
    speed: [0.5, 1.5],
    languages: ["en", "de"],
    max_output_tokens: 1000,
  },
};
const POOR = { id: "2", voices: [], transcription_models: [], features: {} };

test("a choice becomes the session a provider understands, and back", () => {
  const choice = {
    ...UNCHOSEN,
    voice: "cedar",
    reply: "text",
    instructions: "Be brief.",
    language: "de",
    transcription: "t2",
    turns: "server_vad",
    threshold: 0.7,
    silenceMs: 800,
    prefixMs: 200,
    idleMs: 10000,
    noise: "near_field",
    format: "audio/pcma",
    speed: 1.2,
    maxTokens: "600",
  };
  const session = sessionOf(choice, RICH);
  assert.deepEqual(session, {
    instructions: "Be brief.",
    output_modalities: ["text"],
    max_output_tokens: 600,
    audio: {
      input: {
        turn_detection: {
          type: "server_vad", threshold: 0.7, prefix_padding_ms: 200, silence_duration_ms: 800,
          idle_timeout_ms: 10000, interrupt_response: false,
        },
        noise_reduction: { type: "near_field" },
        transcription: { model: "t2", language: "de" },
        format: { type: "audio/pcma" },
      },
      output: { voice: "cedar", speed: 1.2, format: { type: "audio/pcma" } },
    },
  });
  assert.deepEqual(choiceOf(session), choice);
});

test("of a model that supports nothing nothing is asked", () => {
  const choice = fitted({ ...UNCHOSEN, voice: "cedar", turns: "none", speed: 2, reply: "text" }, POOR);
  assert.deepEqual(sessionOf(choice, POOR), {});
});

test("what a model lacks falls back to its first, or to nothing", () => {
  const wanted = {
    ...UNCHOSEN, voice: "nobody", turns: "telepathy", speed: 0.1, language: "fr", noise: "far_field",
    transcription: "t9", maxTokens: "4096",
  };
  assert.deepEqual(fitted(wanted, RICH), {
    ...UNCHOSEN, voice: "marin", turns: "server_vad", speed: 0.5, transcription: "t1", format: "audio/pcm",
  });
});

for (const [turns, detection] of [
  ["none", null],
  ["tap", null],
  ["semantic_vad", { type: "semantic_vad", eagerness: "auto", interrupt_response: false }],
]) {
  test(`${turns} as turn detection`, () => {
    const session = sessionOf(fitted({ ...UNCHOSEN, turns }, RICH), RICH);
    assert.deepEqual(session.audio.input.turn_detection, detection);
    const page = pageOf({ turns, pauseMs: 300 });
    assert.equal(choiceOf(session, page).turns, turns);
  });
}

test("only the settings of turn detection that a model has are said", () => {
  const model = { ...RICH, turn_settings: ["threshold"] };
  const session = sessionOf(fitted({ ...UNCHOSEN, idleMs: 5000 }, model), model);
  assert.deepEqual(session.audio.input.turn_detection, { type: "server_vad", threshold: 0.5 });
});

test("without a pause the provider itself ends an answer that is talked over", () => {
  const session = sessionOf(fitted({ ...UNCHOSEN, pauseMs: 0 }, RICH), RICH);
  assert.equal("interrupt_response" in session.audio.input.turn_detection, false);
  assert.equal(choiceOf(session, pageOf({ turns: "server_vad", pauseMs: 0 })).pauseMs, 0);
});

test("only what differs is told, and nothing when nothing does", () => {
  const before = sessionOf(fitted(UNCHOSEN, RICH), RICH);
  const after = sessionOf(fitted({ ...UNCHOSEN, speed: 1.1, noise: "near_field" }, RICH), RICH);
  assert.deepEqual(difference(before, after), {
    audio: { input: { noise_reduction: { type: "near_field" } }, output: { speed: 1.1 } },
  });
  assert.equal(difference(after, after), null);
});

test("taking something back is a difference too", () => {
  const before = sessionOf(fitted({ ...UNCHOSEN, noise: "near_field", turns: "none" }, RICH), RICH);
  const after = sessionOf(fitted(UNCHOSEN, RICH), RICH);
  assert.deepEqual(difference(after, before).audio.input, { turn_detection: null, noise_reduction: { type: "near_field" } });
  assert.equal(difference(before, after).audio.input.noise_reduction, null);
});

test("a voice that was heard is not changed, the rest is", () => {
  const part = { audio: { output: { voice: "cedar", speed: 1.1 } } };
  assert.deepEqual(withoutVoice(part), { audio: { output: { speed: 1.1 } } });
  assert.equal(withoutVoice({ audio: { output: { voice: "cedar" } } }), null);
  assert.deepEqual(part.audio.output.voice, "cedar");
});

test("a written call is told nothing of sound", () => {
  const session = sessionOf(fitted({ ...UNCHOSEN, instructions: "Hi", maxTokens: "250" }, RICH), RICH);
  assert.deepEqual(writtenPart(session), { instructions: "Hi", max_output_tokens: 250 });
});

function choose(settings = {}) {
  const saved = [];
  const config = { models: [RICH, POOR], default_model: "1", settings };
  const choice = new CallChoice(config, async (fields) => saved.push(fields));
  return { choice, saved };
}

test("what was kept is what the call starts with", () => {
  const { choice } = choose({ model: "1", session: { audio: { output: { voice: "cedar" } } } });
  assert.deepEqual([choice.model.id, choice.values.voice], ["1", "cedar"]);
});

test("a model that is gone gives way to the usual one", () => {
  assert.equal(choose({ model: "99" }).choice.model.id, "1");
});

test("choices are kept a moment after the last of them", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { choice, saved } = choose();
  choice.set({ speed: 1.1 });
  choice.set({ speed: 1.2 });
  mock.timers.tick(600);
  mock.timers.reset();
  assert.equal(saved.length, 1);
  const { model, session } = JSON.parse(saved[0].settings);
  assert.deepEqual([model, session.audio.output.speed, saved[0].default], ["1", 1.2, undefined]);
});

test("kept as the default it says so", async () => {
  const { choice, saved } = choose();
  await choice.keep({ asDefault: true });
  assert.equal(saved[0].default, "1");
});

test("what is said meanwhile is remembered too, each thing once", () => {
  const { choice } = choose();
  for (const id of ["a", "b", "a"]) choice.said(id);
  assert.deepEqual(choice.memory, { remembered: 2, messages: 2 });
});

test("the ways of taking turns follow each other and lead back to the same hands-free one", () => {
  const { choice } = choose({ session: { audio: { input: { turn_detection: { type: "semantic_vad" } } } } });
  const seen = [];
  for (let at = 0; at < 3; at++) {
    choice.nextMode();
    seen.push([choice.mode, choice.values.turns]);
  }
  assert.deepEqual(seen, [["hold", "none"], ["tap", "tap"], ["free", "semantic_vad"]]);
  choice.flush();
});

test("tapping is kept though no session knows of it", async () => {
  const { choice, saved } = choose();
  choice.set({ turns: "tap", pauseMs: 150 });
  await choice.keep();
  const kept = JSON.parse(saved[0].settings);
  assert.deepEqual(kept.page, { manual: "tap", pause_ms: 150 });
  assert.deepEqual([choose(kept).choice.mode, choose(kept).choice.pauseMs], ["tap", 150]);
});
