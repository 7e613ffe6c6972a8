// What the person types into a call: as a message, and until the server has it.

const TAKEN = ["conversation.item.added", "conversation.item.created", "conversation.item.done"];

/**
 * @typedef {object} Said
 * @property {string} text
 * @property {object[]} attachments uploaded, as the server showed them
 * @property {boolean} answer whether an answer is asked for
 */

/** Messages that wait for the line, and those that are on their way. */
export class Written {
  #waiting = []; // Said
  #sent = new Map(); // Said by item id

  /** Keep one until there is a line. @param {Said} said */
  wait(said) {
    this.#waiting.push(said);
  }

  /** Those that waited, first said first; they wait no more. @returns {Said[]} */
  due() {
    return this.#waiting.splice(0);
  }

  /** One goes to the server as this item. */
  send(id, said) {
    this.#sent.set(id, said);
  }

  /** Note which messages the server has. */
  take(event) {
    if (TAKEN.includes(event.type)) this.#sent.delete(event.item?.id);
    if (event.type === "nextvoice.saved") this.#sent.delete(event.item_id);
  }

  /** The server did not take this item. @returns {Said|null} the message, unless it is stored */
  refused(id) {
    const said = this.#sent.get(id) ?? null;
    this.#sent.delete(id);
    return said;
  }

  /**
   * It is over: what the server does not have, first said first. `arrives`: what was sent still does.
   * @returns {{said: Said[], items: string[]}} `items` are ids that nothing will come of
   */
  end({ arrives }) {
    const items = arrives ? [] : [...this.#sent.keys()];
    const said = [...items.map((id) => this.#sent.get(id)), ...this.due()];
    this.#sent.clear();
    return { said, items };
  }
}

// A message that is typed into a call: as it is sent, and as the page shows it at once.

const EVENT = "message_"; // event ids of messages, so that one that was refused can be taken back

/**
 * @param {string} text  @param {object[]} attachments uploaded, as the server showed them
 * @returns {{item: object, shown: object}} the item, and the same with its attachments described
 */
export function newMessage(text, attachments) {
  const written = text ? [{ type: "input_text", text }] : [];
  const files = attachments.map(({ id }) => ({ type: "nextvoice.attachment", attachment_id: id }));
  const item = { id: newItemId(), type: "message", role: "user", content: [...written, ...files] };
  const described = files.map((part, at) => ({ ...attachments[at], ...part }));
  return { item, shown: { ...item, content: [...written, ...described] } };
}

/** The event that puts the item into the conversation. */
export function creation(item) {
  return { type: "conversation.item.create", event_id: `${EVENT}${item.id}`, item };
}

/** Id of the item whose creation had this event id; null when it created none. */
export function itemOf(eventId) {
  return eventId?.startsWith(EVENT) ? eventId.slice(EVENT.length) : null;
}

function newItemId() {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return `item_${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
