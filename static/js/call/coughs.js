// What becomes of a turn that was taken for a cough: no answer, and no place in the conversation,
// unless its transcript shows that words were said.

export class Coughs {
  /** Whether what a person says is written down; without that a cough is over when it ends. */
  written = true;
  #bargeIn;
  #call;
  #answerComes = false; // the provider is about to answer a cough

  /**
   * @param {object} bargeIn a BargeIn
   * @param {{send: (event: object) => void, interrupt: () => void}} call
   */
  constructor(bargeIn, call) {
    this.#bargeIn = bargeIn;
    this.#call = call;
  }

  /** The provider took in a turn; `answering` whether an answer is being made. */
  committed(id, answering) {
    if (!this.#bargeIn.isCough(id)) return;
    // A provider that makes an answer already does not begin another one.
    this.#answerComes = !answering;
    if (!this.written) this.#forget(id);
  }

  /** The words of a turn; empty when there were none. */
  transcribed(id, words) {
    if (!this.#bargeIn.isCough(id)) return;
    if (!words?.trim()) {
      this.#forget(id);
      return;
    }
    this.#bargeIn.settle(id);
    if (!this.#answerComes) {
      this.#call.interrupt();
      this.#call.send({ type: "response.create" });
    }
    this.#answerComes = false;
  }

  /** An answer begins. Returns whether it is one to a cough, which nobody wants. */
  isAnswered() {
    const unwanted = this.#answerComes;
    this.#answerComes = false;
    return unwanted;
  }

  #forget(id) {
    this.#bargeIn.settle(id);
    this.#call.send({ type: "conversation.item.delete", item_id: id });
  }
}
