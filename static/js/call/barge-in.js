// Barge-in: decides whether a sound during an answer is speech or just a cough.
//
// The answer pauses at the first sound. If the sound lasts longer than the hold time, the answer is
// cut; if it ends sooner, the answer resumes where it paused. A sound that was taken for a cough is
// reclassified when it goes on, or when its transcript turns out to have words.

const GUESS_MS = 700; // a sound that the server does not report within this time is noise
const WRONG_GUESSES = 2; // after this many, the room is too loud for local detection
const LONG_MS = 1200; // longer than any cough: it was a soft voice after all

/**
 * `answer` is what may be interrupted: `pending` says whether there is any; `pause()`, `resume()`,
 * `cut()`; and `sounding()` says whether the microphone picks up the person right now.
 */
export class BargeIn {
  /** How long an answer is paused before it is cut, in ms; 0 cuts once the server hears speech. */
  holdMs = 0;
  #answer;
  #now;
  #phase = "none"; // "guess": only this page detects speech; "told": the server does too
  #since = 0;
  #timer;
  #heard = null; // item id of the speech that the server detects
  #wrong = 0; // guesses in a row that the server did not confirm
  #coughs = new Set(); // ids of items that were taken for coughs

  constructor(answer, now = () => performance.now()) {
    this.#answer = answer;
    this.#now = now;
  }

  /** The local detector hears a voice. */
  voice() {
    if (this.#phase !== "none" || !this.#answer.pending) return;
    if (this.#heard === null && this.#wrong >= WRONG_GUESSES) return;
    this.#pause();
    if (this.#heard === null) this.#wait("guess", GUESS_MS, () => this.#wasWrong());
    else this.#wait("told", this.holdMs, () => this.#judge());
  }

  /** The local detector hears quiet again. */
  quiet() {
    if (this.#phase === "guess") this.#wasWrong();
  }

  /** The server detects speech. Returns whether the hold time is left to decide what it is. */
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

  /** The server detects the end of the speech. */
  stopped() {
    if (this.#phase === "told") this.#cough();
    this.#heard = null;
    clearTimeout(this.#timer);
  }

  /** Whether the turn was taken for a cough. */
  isCough(id) {
    return this.#coughs.has(id);
  }

  /** Forget that the turn was taken for a cough: it was something else, or has been dealt with. */
  settle(id) {
    this.#coughs.delete(id);
  }

  /** Abandon the current decision: the answer has ended, or was cut in another way. */
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

// What happens to a turn that was taken for a cough: it gets no answer and is deleted from the
// conversation, unless its transcript shows that words were said.

export class Coughs {
  /** Whether the person's speech is transcribed; if not, a cough is deleted once committed. */
  written = true;
  #bargeIn;
  #call;
  #answerComes = false; // the provider is about to respond to a cough

  /**
   * @param {object} bargeIn a BargeIn
   * @param {{send: (event: object) => void, interrupt: () => void}} call
   */
  constructor(bargeIn, call) {
    this.#bargeIn = bargeIn;
    this.#call = call;
  }

  /** The provider committed a turn; `answering`: a response is in progress. */
  committed(id, answering) {
    if (!this.#bargeIn.isCough(id)) return;
    // A provider does not start a second response while one is in progress.
    this.#answerComes = !answering;
    if (!this.written) this.#forget(id);
  }

  /** The transcript of a turn; empty when it has no words. */
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

  /** A response begins. Returns whether it responds to a cough and is thus unwanted. */
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
