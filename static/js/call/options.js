// Converts between the person's choices for a call and a Realtime session.

/** A choice with the model's defaults only. */
export const UNCHOSEN = {
  voice: "",
  reply: "audio",
  instructions: "",
  language: "",
  transcription: "",
  turns: "",
  threshold: 0.5,
  silenceMs: 500,
  prefixMs: 300,
  eagerness: "auto",
  idleMs: 0,
  pauseMs: 300,
  noise: "",
  format: "",
  speed: 1,
  maxTokens: "",
};

/** Turn-taking modes in which the person ends a turn by hand: by releasing, or by a tap. */
export const BY_HAND = ["none", "tap"];

const PATHS = [
  ["instructions"],
  ["output_modalities"],
  ["max_output_tokens"],
  ["audio", "input", "turn_detection"],
  ["audio", "input", "noise_reduction"],
  ["audio", "input", "transcription"],
  ["audio", "output", "voice"],
  ["audio", "output", "speed"],
  ["audio", "input", "format"],
  ["audio", "output", "format"],
];

/**
 * The choice that a stored partial session represents.
 * @param {object} session
 * @param {{manual?: string, pause_ms?: number}} page settings that are not part of a session
 */
export function choiceOf(session = {}, page = {}) {
  const { input = {}, output = {} } = session.audio ?? {};
  const turns = input.turn_detection;
  const tokens = session.max_output_tokens;
  return {
    voice: output.voice ?? UNCHOSEN.voice,
    reply: session.output_modalities?.[0] ?? UNCHOSEN.reply,
    instructions: session.instructions ?? UNCHOSEN.instructions,
    language: input.transcription?.language ?? UNCHOSEN.language,
    transcription: input.transcription?.model ?? UNCHOSEN.transcription,
    turns: turns === null ? byHand(page) : (turns?.type ?? UNCHOSEN.turns),
    threshold: turns?.threshold ?? UNCHOSEN.threshold,
    silenceMs: turns?.silence_duration_ms ?? UNCHOSEN.silenceMs,
    prefixMs: turns?.prefix_padding_ms ?? UNCHOSEN.prefixMs,
    eagerness: turns?.eagerness ?? UNCHOSEN.eagerness,
    idleMs: turns?.idle_timeout_ms ?? UNCHOSEN.idleMs,
    pauseMs: page.pause_ms ?? UNCHOSEN.pauseMs,
    noise: input.noise_reduction?.type ?? UNCHOSEN.noise,
    format: output.format?.type ?? UNCHOSEN.format,
    speed: output.speed ?? UNCHOSEN.speed,
    maxTokens: typeof tokens === "number" ? String(tokens) : UNCHOSEN.maxTokens,
  };
}

/** The settings of a choice that are not part of a session. */
export function pageOf({ turns, pauseMs }) {
  return { manual: turns === "tap" ? "tap" : "hold", pause_ms: pauseMs };
}

/** The turn-taking modes that a model offers. */
export function turnsOf(model) {
  const offered = model?.features?.turn_detection ?? [];
  return offered.includes("none") ? [...offered, "tap"] : offered;
}

/** Whether this turn detection setting of a model can be changed. */
export function hasTurnSetting(model, name) {
  return (model?.turn_settings ?? []).includes(name);
}

/** The choice reduced to what the model supports. */
export function fitted(choice, model) {
  const { voices = [], features = {}, transcription_models: writers = [] } = model ?? {};
  const [slowest, fastest] = features.speed ?? [1, 1];
  return {
    ...choice,
    voice: oneOf(choice.voice, voices),
    reply: features.text ? choice.reply : "audio",
    language: (features.languages ?? []).includes(choice.language) ? choice.language : "",
    transcription: oneOf(choice.transcription, writers),
    turns: oneOf(choice.turns, turnsOf(model)),
    noise: (features.noise_reduction ?? []).includes(choice.noise) ? choice.noise : "",
    format: oneOf(choice.format, features.formats ?? []),
    speed: Math.max(slowest, Math.min(fastest, choice.speed)),
    maxTokens: Number(choice.maxTokens) <= (features.max_output_tokens ?? 0) ? choice.maxTokens : "",
  };
}

/** The partial GA session of a fitted choice: only what the model is declared to support. */
export function sessionOf(choice, model) {
  const { voices = [], features = {}, transcription_models: writers = [] } = model ?? {};
  const session = {};
  const set = (path, value) => put(session, path, value);
  if (features.instructions) set(["instructions"], choice.instructions);
  if (features.text) set(["output_modalities"], [choice.reply]);
  if (features.max_output_tokens) set(["max_output_tokens"], Number(choice.maxTokens) || "inf");
  if (choice.turns) set(["audio", "input", "turn_detection"], turnDetection(choice, model));
  if (features.noise_reduction?.length) {
    set(["audio", "input", "noise_reduction"], choice.noise ? { type: choice.noise } : null);
  }
  const transcription = {
    ...(writers.length > 1 ? { model: choice.transcription } : {}),
    ...(features.languages?.length && writers.length ? { language: choice.language || null } : {}),
  };
  if (Object.keys(transcription).length > 0) set(["audio", "input", "transcription"], transcription);
  if (voices.length) set(["audio", "output", "voice"], choice.voice);
  if ((features.formats ?? []).length > 1) {
    for (const side of ["input", "output"]) set(["audio", side, "format"], formatOf(choice.format));
  }
  if (features.speed) set(["audio", "output", "speed"], choice.speed);
  return session;
}

/** The part of `after` that differs from `before`, or null. */
export function difference(before, after) {
  const part = {};
  for (const path of PATHS) {
    const value = get(after, path);
    if (value === undefined || JSON.stringify(value) === JSON.stringify(get(before, path))) continue;
    put(part, path, value);
  }
  return Object.keys(part).length > 0 ? part : null;
}

/** `session` without the voice, which cannot change once the model has spoken. */
export function withoutVoice(session) {
  if (get(session, ["audio", "output", "voice"]) === undefined) return session;
  const copy = structuredClone(session);
  delete copy.audio.output.voice;
  return difference({}, copy);
}

/** The part of a session that matters in a text call. */
export function writtenPart({ instructions, max_output_tokens: tokens }) {
  return {
    ...(instructions === undefined ? {} : { instructions }),
    ...(tokens === undefined ? {} : { max_output_tokens: tokens }),
  };
}

function turnDetection(choice, model) {
  const { turns, threshold, silenceMs, prefixMs, eagerness, idleMs, pauseMs } = choice;
  if (BY_HAND.includes(turns)) return null;
  const settings = {
    ...(turns === "semantic_vad"
      ? { eagerness }
      : { threshold, prefix_padding_ms: prefixMs, silence_duration_ms: silenceMs }),
    ...(turns === "server_vad" && idleMs > 0 ? { idle_timeout_ms: idleMs } : {}),
    // A cough must not end an answer, so the page decides on interruptions.
    ...(pauseMs > 0 ? { interrupt_response: false } : {}),
  };
  const kept = Object.entries(settings).filter(([name]) => hasTurnSetting(model, name));
  return { type: turns, ...Object.fromEntries(kept) };
}

// The audio format between server and provider; the page's own stays PCM16 at 24 kHz.
function formatOf(type) {
  return type === "audio/pcm" ? { type, rate: 24_000 } : { type };
}

function byHand(page) {
  return page.manual === "tap" ? "tap" : "none";
}

function oneOf(wanted, offered) {
  return offered.includes(wanted) ? wanted : (offered[0] ?? "");
}

function get(session, path) {
  return path.reduce((value, name) => value?.[name], session);
}

function put(session, path, value) {
  const inner = path.slice(0, -1).reduce((place, name) => (place[name] ??= {}), session);
  inner[path.at(-1)] = value;
}
