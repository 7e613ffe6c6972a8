// Typed messages of a call, from the text box until the server has them.

const TAKEN = ["conversation.item.added", "conversation.item.created", "conversation.item.done"];

/**
 * @typedef {object} Said
 * @property {string} text
 * @property {object[]} attachments uploaded, as the server returned them
 * @property {boolean} answer whether an answer is requested
 */

/** Messages that wait for a connection, and those not yet confirmed by the server. */
export class Written {
  #waiting = []; // Said
  #sent = new Map(); // Said by item id

  /** Queue a message until there is a connection. @param {Said} said */
  wait(said) {
    this.#waiting.push(said);
  }

  /** Remove and return the queued messages, in order. @returns {Said[]} */
  due() {
    return this.#waiting.splice(0);
  }

  /** Note that a message is being sent as this item. */
  send(id, said) {
    this.#sent.set(id, said);
  }

  /** Process an event that may confirm that the server has a message. */
  take(event) {
    if (TAKEN.includes(event.type)) this.#sent.delete(event.item?.id);
    if (event.type === "nextvoice.saved") this.#sent.delete(event.item_id);
  }

  /** The server refused this item. @returns {Said|null} its message, unless it was confirmed */
  refused(id) {
    const said = this.#sent.get(id) ?? null;
    this.#sent.delete(id);
    return said;
  }

  /**
   * The call has ended: return the messages that the server does not have, in order. `arrives`:
   * those already sent will still arrive.
   * @returns {{said: Said[], items: string[]}} `items`: ids of the items that were not delivered
   */
  end({ arrives }) {
    const items = arrives ? [] : [...this.#sent.keys()];
    const said = [...items.map((id) => this.#sent.get(id)), ...this.due()];
    this.#sent.clear();
    return { said, items };
  }
}

// A typed message, as it is sent and as the page shows it meanwhile.

const EVENT = "message_"; // prefix of event ids, to find the message that an error refers to

/**
 * @param {string} text  @param {object[]} attachments uploaded, as the server returned them
 * @returns {{item: object, shown: object}} the item, and the same with its attachments' details
 */
export function newMessage(text, attachments) {
  const written = text ? [{ type: "input_text", text }] : [];
  const files = attachments.map(({ id }) => ({ type: "nextvoice.attachment", attachment_id: id }));
  const item = { id: newItemId(), type: "message", role: "user", content: [...written, ...files] };
  const described = files.map((part, at) => ({ ...attachments[at], ...part }));
  return { item, shown: { ...item, content: [...written, ...described] } };
}

/** The event that adds the item to the conversation. */
export function creation(item) {
  return { type: "conversation.item.create", event_id: `${EVENT}${item.id}`, item };
}

/** The id of the item that was created by the event with this id, or null. */
export function itemOf(eventId) {
  return eventId?.startsWith(EVENT) ? eventId.slice(EVENT.length) : null;
}

function newItemId() {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return `item_${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
