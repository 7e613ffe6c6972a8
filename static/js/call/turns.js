// Turn-taking in a spoken call: hands-free, by holding a button, or by tapping it.

const CLOSING_FRAMES = 40; // 1.6 s of silence, so that the VAD ends the turn
const FRAME_BYTES = 1920; // 40 ms of PCM16 at 24 kHz

/**
 * Turns button presses into events for the server. `call` is what it needs of the call:
 * `send(event)`, `sendAudio(frame)`, `apply(stateEvent)` and `interrupt()`, which stops an answer.
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

  /** Whether a push-to-talk turn is in progress. */
  get held() {
    return this.#gate.held;
  }

  get muted() {
    return this.#gate.muted;
  }

  /** Begin a push-to-talk turn. */
  press() {
    if (this.handsFree || this.held || this.muted) return;
    this.#call.interrupt();
    this.#gate.press();
    this.#call.apply("speech_started");
  }

  /** End the push-to-talk turn: send it, unless it is too short. */
  release() {
    if (!this.held) return;
    if (this.#gate.release()) this.#commit();
    else this.#drop();
  }

  /** Discard the push-to-talk turn, on the server too. */
  discard() {
    if (!this.held) return;
    this.#gate.release();
    this.#drop();
  }

  /** Begin a turn, or send the one in progress. */
  tap() {
    if (this.held) this.release();
    else this.press();
  }

  mute(muted) {
    this.release();
    this.#gate.mute(muted);
  }

  /**
   * Switch to another mode; a turn in progress is sent.
   * @param {"free"|"hold"|"tap"} mode
   * @returns {() => void} to be called when the server has been told
   */
  change(mode) {
    if (mode === this.mode) return () => {};
    const wasFree = this.handsFree;
    this.release();
    if (wasFree && this.#gate.heard) this.#commit();
    this.mode = mode;
    this.#gate.handsFree = mode === "free";
    // The silence that the server has buffered so far must not become part of the next turn.
    return () => wasFree && mode !== "free" && this.#call.send({ type: "input_audio_buffer.clear" });
  }

  /** The microphone is interrupted: end the turn in progress, which must not wait for it. */
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
