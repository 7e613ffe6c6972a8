// Which answer the provider is making, and which ones nobody wants any more.

export class Responses {
  #making = null; // id
  #begun = new Set(); // ids of those whose end was not told yet
  #unwanted = new Set(); // ids of those that were cancelled

  /** Whether an answer is being made. */
  get making() {
    return this.#making !== null;
  }

  /** The provider begins an answer. */
  begin(id) {
    this.#making = id;
    this.#begun.add(id);
    this.#unwanted.delete(id); // not every provider gives each answer an id of its own
  }

  /** Nothing is being made: whoever made it is gone. */
  end() {
    this.#making = null;
    this.#begun.clear();
  }

  /**
   * The end of an answer is told. Returns whether it was the one that is being made; an earlier one
   * may be told to be over after the next has begun.
   * @param {string} id an unknown one is taken for that of the answer that is being made
   */
  done(id) {
    const earlier = this.#begun.delete(id) && this.making && id !== this.#making;
    if (!earlier) this.end();
    return !earlier;
  }

  /** Nobody wants the answer that is being made. Returns whether there was one. */
  refuse() {
    if (!this.making) return false;
    this.#unwanted.add(this.#making);
    this.#making = null;
    return true;
  }

  /** Whether the sound of this answer was only on its way still when it was refused. */
  isUnwanted(id) {
    return this.#unwanted.has(id);
  }
}
