// The choices for the calls of one conversation, kept by the server, and which of them the running
// call knows.

import { BY_HAND, choiceOf, difference, fitted, pageOf, sessionOf, turnsOf, UNCHOSEN, withoutVoice, writtenPart } from "./options.js";

const SAVE_MS = 600;

export class CallChoice {
  onchange = null; // () something was chosen
  #config;
  #save;
  #free; // the way of being heard hands-free to come back to
  #model;
  #values;
  #timer;
  #toolsOff; // names of functions that the assistant is not offered
  #said = new Set(); // ids of what was said since the page came

  /**
   * @param {object} config the page's call config
   * @param {(fields: object) => Promise<unknown>} save posts what is to be kept
   */
  constructor(config, save) {
    this.#config = config;
    this.#save = save;
    const { model, session, page, tools_off: off = [] } = config.settings ?? {};
    this.#toolsOff = new Set(off);
    this.#model = this.#known(model) ?? this.#known(config.default_model) ?? this.models[0] ?? null;
    this.#values = fitted(choiceOf(session, page), this.#model);
  }

  get models() {
    return this.#config.models ?? [];
  }

  get model() {
    return this.#model;
  }

  /** See `UNCHOSEN` for the fields. */
  get values() {
    return this.#values;
  }

  get session() {
    return sessionOf(this.#values, this.#model);
  }

  /** How the person takes turns: "free", "hold" or "tap". */
  get mode() {
    if (!BY_HAND.includes(this.#values.turns)) return "free";
    return this.#values.turns === "tap" ? "tap" : "hold";
  }

  /** The ways of taking turns to choose from. */
  get turns() {
    return turnsOf(this.#model);
  }

  /** The functions that the model may be offered: {name, label, about, on}. */
  get tools() {
    if (!this.#model?.uses_tools) return [];
    return (this.#config.tools ?? []).map((tool) => ({ ...tool, on: !this.#toolsOff.has(tool.name) }));
  }

  /** Offer a function from the next call on, or no more. */
  setTool(name, on) {
    if (on) this.#toolsOff.delete(name);
    else this.#toolsOff.add(name);
    this.#keepSoon();
  }

  /** How long an answer only pauses before it is cut, in ms. */
  get pauseMs() {
    return this.#values.pauseMs;
  }

  /** How much of the thread a new call is told: {remembered, messages}. */
  get memory() {
    const { remembered = 0, messages = 0 } = this.#config;
    return { remembered: remembered + this.#said.size, messages: messages + this.#said.size };
  }

  /** Something more was said and written down. */
  said(itemId) {
    this.#said.add(itemId);
  }

  /** Choose; `model` is an id, the rest as in `values`. */
  set({ model, ...values }) {
    if (model !== undefined) this.#model = this.#known(model) ?? this.#model;
    if (this.mode === "free") this.#free = this.#values.turns;
    this.#values = fitted({ ...this.#values, ...values }, this.#model);
    this.onchange?.();
    this.#keepSoon();
  }

  /** Take turns in the next way there is: hands-free as before, holding, tapping. */
  nextMode() {
    const free = this.#free || this.turns.find((kind) => !BY_HAND.includes(kind));
    const ways = [free, "none", "tap"].filter((way) => this.turns.includes(way));
    const at = ways.indexOf(this.mode === "free" ? free : this.#values.turns);
    this.set({ turns: ways[(at + 1) % ways.length] });
  }

  /** Leave everything to the model again. */
  reset() {
    this.set({ ...UNCHOSEN });
  }

  /** Keep it now; with `asDefault` for new conversations too. */
  async keep({ asDefault = false } = {}) {
    clearTimeout(this.#timer);
    this.#timer = null;
    const settings = { model: this.#model?.id, session: this.session, page: pageOf(this.#values), tools_off: [...this.#toolsOff] };
    await this.#save({ settings: JSON.stringify(settings), ...(asDefault ? { default: "1" } : {}) });
  }

  /** Keep what is still to be kept, if anything is. */
  flush() {
    if (this.#timer) this.keep().catch(() => {});
  }

  #keepSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.keep().catch(() => {}), SAVE_MS);
  }

  #known(id) {
    return this.models.find((model) => String(model.id) === String(id ?? ""));
  }
}

// What the running call was last told of the person's choices, and what it still has to be told.

/** The choices as one call has them. `choice` is a CallChoice, `mode` "voice" or "text". */
export class Applied {
  #model = null;
  #session = null;

  /** Forget the call that was told. */
  clear() {
    this.#model = this.#session = null;
  }

  /** The part of `nextvoice.start` that says what is chosen; from now on the call knows it. */
  begin({ choice, mode }) {
    this.#model = choice.model;
    this.#session = wanted(choice, mode);
    return {
      output_modalities: [mode === "voice" ? "audio" : "text"],
      ...(choice.model ? { model: String(choice.model.id) } : {}),
      session: this.#session,
    };
  }

  /** What needs a new call: "model" or "voice", else null. */
  pending({ choice, mode }) {
    if (!this.#session) return null;
    if (choice.model !== this.#model) return "model";
    if (mode !== "voice") return null;
    const part = difference(this.#session, choice.session);
    return part?.audio?.output?.voice === undefined ? null : "voice";
  }

  /** Whether the call runs with the model that is chosen now. */
  fits(choice) {
    return this.#session !== null && choice.model === this.#model;
  }

  /**
   * What a running call may still be told, or null; from now on it knows.
   * @param {{choice: object, mode: string}} options
   * @param {{spoke: boolean}} call whether its voice was heard: then it stays to the end
   */
  update({ choice, mode }, { spoke }) {
    let part = difference(this.#session, wanted(choice, mode));
    if (part && spoke) part = withoutVoice(part);
    if (part) this.#session = merged(this.#session, part);
    return part;
  }
}

function wanted(choice, mode) {
  return mode === "voice" ? choice.session : writtenPart(choice.session);
}

/** `below` with the leaves of `above` in it; lists and nulls are leaves. */
function merged(below, above) {
  const both = { ...below };
  for (const [name, value] of Object.entries(above)) {
    const inner = value !== null && typeof value === "object" && !Array.isArray(value) && !("type" in value);
    both[name] = inner && name !== "transcription" ? merged(both[name] ?? {}, value) : value;
  }
  return both;
}
