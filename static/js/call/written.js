// What the person typed into a call, until the server has it.

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
