// Which microphone frames go out: open, muted, or only while the person holds to talk.

const PRE_ROLL_FRAMES = 5; // 200 ms: people speak as they press
const CLOSING_FRAMES = 25; // 1 s of silence, so that a turn cut by muting is heard to end
const LONGEST_CLOSING_FRAMES = 300; // 12 s, for a server that waits long for the next word
const SHORTEST_HOLD_FRAMES = 5; // less is a slip of the finger

/** Decides frame by frame. Frames are ArrayBuffers of 40 ms PCM16. */
export class MicrophoneGate {
  handsFree = true;
  /** Whether the server still hears the person: then a muted turn has not ended yet. */
  heard = false;
  #muted = false;
  #held = false;
  #recent = []; // frames before the press
  #closing = 0; // silent frames still owed
  #sentInHold = 0;

  get muted() {
    return this.#muted;
  }

  get held() {
    return this.#held;
  }

  mute(muted) {
    if (muted && !this.#muted) this.#closing = this.handsFree ? LONGEST_CLOSING_FRAMES : 0;
    this.#muted = muted;
    this.#recent = [];
  }

  press() {
    this.#held = true;
    this.#sentInHold = 0;
  }

  /** End the hold. Returns whether enough was said to be sent as a turn. */
  release() {
    this.#held = false;
    return this.#sentInHold >= SHORTEST_HOLD_FRAMES;
  }

  /** The frames to send now that `frame` came from the microphone. @returns {ArrayBuffer[]} */
  pass(frame) {
    if (this.#muted) return this.#closeTurn(frame);
    if (this.handsFree) return [frame];
    if (this.#held) {
      const frames = [...this.#recent, frame];
      this.#recent = [];
      this.#sentInHold += 1;
      return frames;
    }
    this.#recent.push(frame);
    if (this.#recent.length > PRE_ROLL_FRAMES) this.#recent.shift();
    return [];
  }

  #closeTurn(frame) {
    const sent = LONGEST_CLOSING_FRAMES - this.#closing;
    if (this.#closing === 0 || (sent >= CLOSING_FRAMES && !this.heard)) return [];
    this.#closing -= 1;
    return [new ArrayBuffer(frame.byteLength)];
  }
}
