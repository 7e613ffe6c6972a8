// What the running call was last told of the person's choices, and what it still has to be told.

import { difference, withoutVoice, writtenPart } from "./options.js";

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
