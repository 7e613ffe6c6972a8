// Which answer the provider is making, and which ones nobody wants any more.

export class Responses {
  #making = null; // id
  #unwanted = new Set(); // ids of those that were cancelled

  /** Whether an answer is being made. */
  get making() {
    return this.#making !== null;
  }

  /** The provider begins an answer. */
  begin(id) {
    this.#making = id;
    this.#unwanted.delete(id); // not every provider gives each answer an id of its own
  }

  /** Nothing is being made: it is complete, or whoever made it is gone. */
  end() {
    this.#making = null;
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
