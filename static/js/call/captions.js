// Captions: turns Realtime GA events into items in the order of the conversation.
//
// Transcripts arrive late and out of order: an answer's can come before its question's. The order
// therefore follows `previous_item_id`, never arrival.

const WORD_GOES_ON = /^[^\s\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]\S$/u;
const TOOL_STATUS = { awaiting_approval: "in_progress", declined: "interrupted" };
const RESPONSE_STATUS = { completed: "completed", failed: "failed" };

/**
 * @typedef {object} Caption
 * @property {string} id
 * @property {"user"|"assistant"} role
 * @property {"spoken"|"typed"|"tool"} kind "tool": a function call, shown as nothing but its card
 * @property {"in_progress"|"completed"|"interrupted"|"failed"} status
 * @property {string} text
 * @property {number|null} heard how many characters of an answer were heard so far; null when the
 *   whole text counts: it is typed, the person's, or was played to the end
 * @property {object[]} attachments the message's files
 * @property {string} unheard the rest of an interrupted answer, which was not heard
 * @property {string|null} previous id of the item before it, when known
 */
export class Captions {
  #items = new Map(); // id -> Caption
  #order = [];
  #removed = new Set();
  #onchange;

  /** @param {(item: Caption) => void} onchange */
  constructor(onchange = () => {}) {
    this.#onchange = onchange;
  }

  /** The items in the order of the conversation. @returns {Caption[]} */
  get items() {
    return this.#order.map((id) => this.#items.get(id));
  }

  get(id) {
    return this.#items.get(id) ?? null;
  }

  /** The newest item of a role that has text, or null. */
  latest(role) {
    return this.items.findLast((item) => item.role === role && item.text !== "") ?? null;
  }

  /** Process one server event. Returns whether it was about captions. */
  take(event) {
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        return this.#speechStarted(event);
      case "input_audio_buffer.committed":
        return this.#place(event.item_id, "user", "spoken", event.previous_item_id);
      case "conversation.item.added":
      case "conversation.item.created":
      case "conversation.item.done":
        return this.#added(event);
      case "conversation.item.deleted":
      case "input_audio_buffer.timeout_triggered": // idle timeout: an item without speech
      case "nextvoice.removed": // not stored, such as a turn that is replayed to another session
        return this.#remove(event.item_id);
      case "conversation.item.input_audio_transcription.delta":
        return this.#append(event.item_id, "user", "spoken", event.delta);
      case "conversation.item.input_audio_transcription.completed":
        return this.#complete(event.item_id, "user", "spoken", event.transcript);
      case "conversation.item.input_audio_transcription.failed":
        return this.#change(event.item_id, { status: "failed" });
      case "response.output_item.added":
        return this.#outputAdded(event);
      case "response.output_audio_transcript.delta":
        return this.#append(event.item_id, "assistant", "spoken", event.delta);
      case "response.output_audio_transcript.done":
        return this.#wrote(event.item_id, "spoken", event.transcript);
      case "response.output_text.delta":
        return this.#append(event.item_id, "assistant", "typed", event.delta);
      case "response.output_text.done":
        return this.#wrote(event.item_id, "typed", event.text);
      case "response.done":
        return this.#responseDone(event.response);
      case "nextvoice.saved":
        return this.#saved(event);
      case "nextvoice.tool":
        this.#ensure(event.item_id, "assistant", "tool");
        return this.#change(event.item_id, { status: TOOL_STATUS[event.state] ?? event.state });
      default:
        return false;
    }
  }

  /** Note that `fraction` (0 to 1) of an answer's audio received so far was heard. */
  hear(id, fraction) {
    const item = this.#items.get(id);
    if (!item || item.heard === null) return;
    // Never goes back, even when audio arrives faster than text and `fraction` shrinks.
    const heard = Math.max(item.heard, heardPart(item.text, fraction).length);
    if (heard !== item.heard) this.#change(id, { heard });
  }

  /** Note that playback of an answer has ended; without an id, of all answers. */
  heardAll(id = null) {
    for (const item of this.items) {
      if (item.heard !== null && (id === null || item.id === id)) this.#change(item.id, { heard: null });
    }
  }

  /** Mark an answer as cut after `fraction` (0 to 1) of it was heard. */
  interrupt(id, fraction) {
    const item = this.#items.get(id);
    if (!item) return;
    const text = heardPart(item.text, fraction);
    const unheard = item.text.slice(text.length).trimStart();
    this.#change(id, { status: "interrupted", heard: null, text, unheard });
  }

  /** Close all items in progress: their connection is lost. */
  closeOpen() {
    for (const item of this.items) {
      if (item.status !== "in_progress") continue;
      if (item.text === "" && item.kind !== "tool") this.#remove(item.id);
      else this.#change(item.id, { status: "interrupted", heard: null });
    }
  }

  #speechStarted({ item_id: id }) {
    if (!id) return true;
    return this.#place(id, "user", "spoken", undefined);
  }

  #added({ item, previous_item_id: previous }) {
    if (item?.type !== "message" || !["user", "assistant"].includes(item.role)) return false;
    const content = item.content ?? [];
    const spoken = content.some((part) => part.type === "input_audio" || part.type === "output_audio");
    const kind = spoken || (item.role === "assistant" && content.length === 0) ? "spoken" : "typed";
    this.#place(item.id, item.role, kind, previous);
    const text = content.map((part) => part.text ?? part.transcript ?? "").join("");
    const attachments = content.filter((part) => part.type === "nextvoice.attachment");
    const known = this.#items.get(item.id);
    if (attachments.length > 0 && known?.attachments.length === 0) known.attachments = attachments;
    if ((text || attachments.length > 0) && known && known.text === "") {
      const complete = item.role === "user" || item.status === "completed";
      this.#change(item.id, { text, status: complete ? "completed" : known.status });
    }
    return true;
  }

  #outputAdded({ item }) {
    if (item?.type !== "message") return false;
    return this.#place(item.id, "assistant", "spoken", undefined);
  }

  #append(id, role, kind, delta) {
    const item = this.#ensure(id, role, kind);
    if (!item || item.status === "interrupted" || !delta) return true;
    return this.#change(id, { text: item.text + delta, kind });
  }

  #complete(id, role, kind, text) {
    const item = this.#ensure(id, role, kind);
    if (!item) return true;
    const words = (text ?? "").trim();
    return this.#change(id, { text: words, status: "completed" });
  }

  #wrote(id, kind, text) {
    const item = this.#ensure(id, "assistant", kind);
    if (!item || item.status === "interrupted") return true;
    return this.#change(id, { text: text ?? item.text, kind });
  }

  #responseDone(response) {
    const status = RESPONSE_STATUS[response?.status] ?? "interrupted";
    for (const output of response?.output ?? []) {
      const item = this.#items.get(output.id);
      if (item?.status !== "in_progress" || item.kind === "tool") continue;
      // An answer that was cut off before its first word is not shown.
      if (status === "interrupted" && item.text === "") this.#remove(item.id);
      else this.#change(item.id, { status });
    }
    return true;
  }

  #saved(event) {
    const item = this.#items.get(event.item_id);
    // A row stored while in progress is older than the deltas received since.
    if (!item || event.status === "in_progress") return item !== undefined;
    if (item.kind === "tool") return this.#change(event.item_id, { status: event.status });
    const { text = item.text, unheard = item.unheard, status } = event;
    return this.#change(event.item_id, { text, unheard, status });
  }

  #ensure(id, role, kind) {
    if (!id || this.#removed.has(id)) return null;
    if (!this.#items.has(id)) this.#place(id, role, kind, undefined);
    return this.#items.get(id);
  }

  #place(id, role, kind, previous) {
    if (!id || this.#removed.has(id)) return true;
    const known = this.#items.get(id);
    if (!known) {
      const heard = role === "assistant" && kind === "spoken" ? 0 : null;
      const item = { id, role, kind, status: "in_progress", text: "", heard, unheard: "", attachments: [], previous: previous ?? null };
      this.#items.set(id, item);
      this.#insert(id, previous);
      this.#onchange(this.#items.get(id));
    } else if (previous && known.previous !== previous) {
      known.previous = previous;
      this.#order.splice(this.#order.indexOf(id), 1);
      this.#insert(id, previous);
      this.#onchange(known);
    }
    this.#adopt(id);
    return true;
  }

  /** Move the items whose predecessor is `id` behind it. */
  #adopt(id) {
    for (const item of this.items) {
      if (item.previous !== id || this.#order.indexOf(item.id) > this.#order.indexOf(id)) continue;
      this.#order.splice(this.#order.indexOf(item.id), 1);
      this.#insert(item.id, id);
      this.#onchange(item);
      this.#adopt(item.id);
    }
  }

  #insert(id, previous) {
    const after = previous ? this.#order.indexOf(previous) : -1;
    if (after === -1) this.#order.push(id);
    else this.#order.splice(after + 1, 0, id);
  }

  #change(id, changes) {
    const item = this.#items.get(id);
    if (!item) return true;
    Object.assign(item, changes);
    this.#onchange(item);
    return true;
  }

  #remove(id) {
    const item = this.#items.get(id);
    this.#removed.add(id);
    if (!item) return true;
    this.#items.delete(id);
    this.#order.splice(this.#order.indexOf(id), 1);
    this.#onchange({ ...item, status: "removed" });
    return true;
  }
}

/** The first `fraction` of `text`, extended to the end of a word. */
export function heardPart(text, fraction) {
  if (fraction >= 1) return text;
  let length = Math.round(text.length * Math.max(0, fraction));
  // In scripts without spaces it may end at any character.
  while (length > 0 && length < text.length && WORD_GOES_ON.test(text.slice(length - 1, length + 1))) {
    length += 1;
  }
  return text.slice(0, length).trimEnd();
}
