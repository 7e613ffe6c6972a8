// The person's turns in a spoken call: hands-free, by holding, or by tapping.

const CLOSING_FRAMES = 40; // 1.6 s of silence end any turn
const FRAME_BYTES = 1920; // 40 ms of PCM16 at 24 kHz

/**
 * Says to the server what the person's hands say. `call` is what it needs of the call:
 * `send(event)`, `sendAudio(frame)`, `apply(stateEvent)`, `interrupt()` stop an answer.
 */
export class Turns {
  /** "free", "hold" or "tap". */
  mode;
  #gate;
  #call;

  constructor(gate, mode, call) {
    this.#gate = gate;
    this.#call = call;
    this.mode = mode;
    gate.handsFree = mode === "free";
  }

  get handsFree() {
    return this.mode === "free";
  }

  /** Whether a turn by hand is being spoken. */
  get held() {
    return this.#gate.held;
  }

  get muted() {
    return this.#gate.muted;
  }

  /** A turn by hand begins. */
  press() {
    if (this.handsFree || this.held || this.muted) return;
    this.#call.interrupt();
    this.#gate.press();
    this.#call.apply("speech_started");
  }

  /** The turn by hand is complete: it is sent, if anything was said. */
  release() {
    if (!this.held) return;
    if (this.#gate.release()) this.#commit();
    else this.#drop();
  }

  /** The turn by hand was a mistake: the server forgets it. */
  discard() {
    if (!this.held) return;
    this.#gate.release();
    this.#drop();
  }

  /** Begin a turn by a tap, or send it by another one. */
  tap() {
    if (this.held) this.release();
    else this.press();
  }

  mute(muted) {
    this.release();
    this.#gate.mute(muted);
  }

  /**
   * Take turns in another way from now on; a turn that is being spoken is complete.
   * @param {"free"|"hold"|"tap"} mode
   * @returns {() => void} to be called when the server knows of it
   */
  change(mode) {
    if (mode === this.mode) return () => {};
    const wasFree = this.handsFree;
    this.release();
    if (wasFree && this.#gate.heard) this.#commit();
    this.mode = mode;
    this.#gate.handsFree = mode === "free";
    // What the server has of a room that nobody spoke in is not part of the next turn.
    return () => wasFree && mode !== "free" && this.#call.send({ type: "input_audio_buffer.clear" });
  }

  /** The microphone falls silent for a while: no turn may wait for it. */
  close() {
    this.release();
    if (!this.handsFree || !this.#gate.heard) return;
    for (let at = 0; at < CLOSING_FRAMES; at++) this.#call.sendAudio(new ArrayBuffer(FRAME_BYTES));
  }

  #commit() {
    this.#call.send({ type: "input_audio_buffer.commit" });
    this.#call.send({ type: "response.create" });
    this.#call.apply("speech_stopped");
  }

  #drop() {
    this.#call.send({ type: "input_audio_buffer.clear" });
    this.#call.apply("speech_dropped");
  }
}
