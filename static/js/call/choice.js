// The options chosen for the calls of one conversation, stored by the server, and which of them the
// running call knows.

import { BY_HAND, choiceOf, difference, fitted, pageOf, sessionOf, turnsOf, UNCHOSEN, withoutVoice, writtenPart } from "./options.js";

const SAVE_MS = 600;

export class CallChoice {
  onchange = null; // () a choice has changed
  #config;
  #save;
  #free; // the last hands-free turn detection, to return to
  #model;
  #values;
  #timer;
  #toolsOff; // names of functions that are switched off
  #said = new Set(); // ids of items stored since the page was loaded

  /**
   * @param {object} config the page's call config
   * @param {(fields: object) => Promise<unknown>} save posts the choices to the server
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

  /** The turn-taking modes to choose from. */
  get turns() {
    return turnsOf(this.#model);
  }

  /** The functions that can be offered to the model: [{name, label, about, on}]. */
  get tools() {
    if (!this.#model?.uses_tools) return [];
    return (this.#config.tools ?? []).map((tool) => ({ ...tool, on: !this.#toolsOff.has(tool.name) }));
  }

  /** Switch a function on or off, from the next call on. */
  setTool(name, on) {
    if (on) this.#toolsOff.delete(name);
    else this.#toolsOff.add(name);
    this.#keepSoon();
  }

  /** How long an answer stays paused before it is cut, in ms. */
  get pauseMs() {
    return this.#values.pauseMs;
  }

  /** How much of the thread a new call gets as history: {remembered, messages}, both counts. */
  get memory() {
    const { remembered = 0, messages = 0 } = this.#config;
    return { remembered: remembered + this.#said.size, messages: messages + this.#said.size };
  }

  /** Count an item that was said and stored. */
  said(itemId) {
    this.#said.add(itemId);
  }

  /** Change choices; `model` is an id, the others are as in `values`. */
  set({ model, ...values }) {
    if (model !== undefined) this.#model = this.#known(model) ?? this.#model;
    if (this.mode === "free") this.#free = this.#values.turns;
    this.#values = fitted({ ...this.#values, ...values }, this.#model);
    this.onchange?.();
    this.#keepSoon();
  }

  /** Switch to the next turn-taking mode: hands-free as before, hold, tap. */
  nextMode() {
    const free = this.#free || this.turns.find((kind) => !BY_HAND.includes(kind));
    const ways = [free, "none", "tap"].filter((way) => this.turns.includes(way));
    const at = ways.indexOf(this.mode === "free" ? free : this.#values.turns);
    this.set({ turns: ways[(at + 1) % ways.length] });
  }

  /** Reset all choices to the model's defaults. */
  reset() {
    this.set({ ...UNCHOSEN });
  }

  /** Save now; with `asDefault` also as the default for new conversations. */
  async keep({ asDefault = false } = {}) {
    clearTimeout(this.#timer);
    this.#timer = null;
    const settings = { model: this.#model?.id, session: this.session, page: pageOf(this.#values), tools_off: [...this.#toolsOff] };
    await this.#save({ settings: JSON.stringify(settings), ...(asDefault ? { default: "1" } : {}) });
  }

  /** Save now if a save is pending. */
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

// Which choices the running call has been sent, and which it still has to be sent.

/** The choices as one call knows them. `choice` is a CallChoice, `mode` "voice" or "text". */
export class Applied {
  #model = null;
  #session = null;

  /** Forget the call. */
  clear() {
    this.#model = this.#session = null;
  }

  /** The choices as fields of `nextvoice.start`; from now on the call knows them. */
  begin({ choice, mode }) {
    this.#model = choice.model;
    this.#session = wanted(choice, mode);
    return {
      output_modalities: [mode === "voice" ? "audio" : "text"],
      ...(choice.model ? { model: String(choice.model.id) } : {}),
      session: this.#session,
    };
  }

  /** The changed choice that needs a new call: "model" or "voice", else null. */
  pending({ choice, mode }) {
    if (!this.#session) return null;
    if (choice.model !== this.#model) return "model";
    if (mode !== "voice") return null;
    const part = difference(this.#session, choice.session);
    return part?.audio?.output?.voice === undefined ? null : "voice";
  }

  /** Whether the call runs with the currently chosen model. */
  fits(choice) {
    return this.#session !== null && choice.model === this.#model;
  }

  /**
   * The changes that a running call can take, as a partial session, or null; it then knows them.
   * @param {{choice: object, mode: string}} options
   * @param {{spoke: boolean}} call whether its voice was heard: then the voice can no longer change
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

/** Deep merge of `above` into a copy of `below`; arrays and nulls are leaves. */
function merged(below, above) {
  const both = { ...below };
  for (const [name, value] of Object.entries(above)) {
    const inner = value !== null && typeof value === "object" && !Array.isArray(value) && !("type" in value);
    both[name] = inner && name !== "transcription" ? merged(both[name] ?? {}, value) : value;
  }
  return both;
}
