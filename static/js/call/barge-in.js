// Whether a sound over the answer is a person who begins to speak, or a cough.
//
// The answer pauses at the first sound. When the sound lasts longer than the hold the answer is
// cut; when it stops before, the answer goes on where it paused. What was taken for a cough is
// put right when it goes on, or when its transcript turns out to have words.

const GUESS_MS = 700; // what the server does not hear for so long is noise
const WRONG_GUESSES = 2; // then this room is too loud to guess in
const LONG_MS = 1200; // no cough lasts so long; soft voices that were overheard do

/**
 * `answer` is what may be interrupted: `pending` whether there is any, `pause()`, `resume()`,
 * `cut()`; and `sounding()` tells whether the person is to be heard right now.
 */
export class BargeIn {
  /** How long the answer only pauses, in ms; 0 cuts as soon as the server hears somebody. */
  holdMs = 0;
  #answer;
  #now;
  #phase = "none"; // "guess": only this page hears somebody; "told": the server does too
  #since = 0;
  #timer;
  #heard = null; // item id of whom the server hears
  #wrong = 0; // guesses in a row that the server did not share
  #coughs = new Set(); // item ids of what was taken for a cough

  constructor(answer, now = () => performance.now()) {
    this.#answer = answer;
    this.#now = now;
  }

  /** The microphone became loud. */
  voice() {
    if (this.#phase !== "none" || !this.#answer.pending) return;
    if (this.#heard === null && this.#wrong >= WRONG_GUESSES) return;
    this.#pause();
    if (this.#heard === null) this.#wait("guess", GUESS_MS, () => this.#wasWrong());
    else this.#wait("told", this.holdMs, () => this.#judge());
  }

  /** The microphone is quiet again. */
  quiet() {
    if (this.#phase === "guess") this.#wasWrong();
  }

  /** The server hears somebody speak. Returns whether that is for the hold to judge. */
  started(id) {
    this.#heard = id;
    this.#wrong = 0;
    if (!this.#answer.pending || this.holdMs === 0) {
      this.reset();
      return false;
    }
    if (this.#phase === "none") this.#pause();
    const left = this.holdMs - (this.#now() - this.#since);
    this.#wait("told", Math.max(0, left), () => this.#judge());
    return true;
  }

  /** The server hears the person no more. */
  stopped() {
    if (this.#phase === "told") this.#cough();
    this.#heard = null;
    clearTimeout(this.#timer);
  }

  /** Whether the turn was taken for a cough. */
  isCough(id) {
    return this.#coughs.has(id);
  }

  /** The turn that was taken for a cough is something else, or is done with. */
  settle(id) {
    this.#coughs.delete(id);
  }

  /** What was under way no longer counts: the answer is over, or was cut otherwise. */
  reset() {
    if (this.#phase !== "none") this.#back();
    clearTimeout(this.#timer);
  }

  #pause() {
    this.#since = this.#now();
    this.#answer.pause();
  }

  #wait(phase, milliseconds, then) {
    clearTimeout(this.#timer);
    this.#phase = phase;
    this.#timer = setTimeout(then, milliseconds);
  }

  #end() {
    clearTimeout(this.#timer);
    this.#phase = "none";
  }

  #back() {
    this.#end();
    this.#answer.resume();
  }

  #wasWrong() {
    this.#wrong += 1;
    this.#back();
  }

  #judge() {
    if (this.#answer.sounding()) this.#cut();
    else this.#cough();
  }

  #cut() {
    this.#end();
    this.#coughs.delete(this.#heard);
    this.#answer.cut();
    this.#answer.resume();
  }

  #cough() {
    this.#coughs.add(this.#heard);
    this.#back();
    this.#timer = setTimeout(() => this.#heard !== null && this.#cut(), LONG_MS);
  }
}

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
