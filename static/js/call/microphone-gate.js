// Decides which microphone frames are sent (hands-free, muted, or push-to-talk), and detects voice
// in the microphone's level.

const PRE_ROLL_FRAMES = 5; // 200 ms: people start speaking as they press
const CLOSING_FRAMES = 25; // 1 s of silence, so that the VAD ends a turn that was cut by muting
const LONGEST_CLOSING_FRAMES = 300; // 12 s, for a VAD with a long silence duration
const SHORTEST_HOLD_FRAMES = 5; // 200 ms; anything shorter is an accidental press

/** Decides frame by frame. Frames are ArrayBuffers of 40 ms PCM16. */
export class MicrophoneGate {
  handsFree = true;
  /** Whether the server still detects speech; if so, a muted turn has not ended yet. */
  heard = false;
  #muted = false;
  #held = false;
  #recent = []; // pre-roll: the last frames before a press
  #closing = 0; // silent frames that may still be sent
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

  /** End a push-to-talk turn. Returns whether it was long enough to be sent. */
  release() {
    this.#held = false;
    return this.#sentInHold >= SHORTEST_HOLD_FRAMES;
  }

  /** The frames to send for a `frame` of the microphone. @returns {ArrayBuffer[]} */
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

// Detects a person who speaks over the answer or into a muted microphone.

const LOUD = 0.05; // RMS; the residual echo of the answer stays below
const VOICE_LEVELS = 4; // 40 ms more of loud levels than of quiet ones
const QUIET_LEVELS = 20; // 200 ms in a row: longer than the gaps between syllables
const MUTED_LEVELS = 50; // half a second
const REMIND_LEVELS = 800; // 8 s between two reminders
const FAINT = 0.01; // RMS; low, since a paused answer has no echo that could be taken for a voice
const ABOVE_FLOOR = 3; // times the noise floor
const LATELY_LEVELS = 8; // 80 ms

/** Takes one level (RMS, 0 to 1) per 10 ms; reports "voice", "quiet" and "muted". */
export class LoudnessWatch {
  #loud = 0; // number of loud levels minus the quiet ones between them
  #quiet = QUIET_LEVELS; // quiet levels in a row
  #voice = false;
  #sinceReminder = REMIND_LEVELS;
  #floor = FAINT; // noise floor of the room, RMS
  #sinceSound = LATELY_LEVELS; // levels since there was any sound above the noise floor

  /**
   * @param {number} level
   * @param {{muted: boolean, over: boolean}} situation `over`: whether there is an answer that a
   *   voice would interrupt
   * @returns {"voice"|"quiet"|"muted"|null}
   */
  take(level, { muted, over }) {
    this.#listen(level);
    this.#sinceReminder += 1;
    if (muted) return this.#remind();
    if (!over) this.#voice = false;
    else if (!this.#voice && this.#loud >= VOICE_LEVELS) {
      this.#voice = true;
      return "voice";
    }
    if (this.#voice && this.#quiet >= QUIET_LEVELS) {
      this.#voice = false;
      return "quiet";
    }
    return null;
  }

  /** Whether there was any sound above the noise floor just now. */
  get sounding() {
    return this.#sinceSound < LATELY_LEVELS;
  }

  #listen(level) {
    const loud = level > LOUD;
    this.#loud = loud ? this.#loud + 1 : Math.max(0, this.#loud - 1);
    this.#quiet = loud ? 0 : this.#quiet + 1;
    if (this.#quiet >= QUIET_LEVELS) this.#loud = 0;
    this.#sinceSound = level > Math.max(FAINT, this.#floor * ABOVE_FLOOR) ? 0 : this.#sinceSound + 1;
    // Falls fast and rises slowly, so that it does not follow a voice.
    this.#floor = level < this.#floor ? level * 0.2 + this.#floor * 0.8 : Math.min(LOUD, this.#floor * 1.002 + 1e-6);
  }

  #remind() {
    if (this.#loud < MUTED_LEVELS || this.#sinceReminder < REMIND_LEVELS) return null;
    this.#sinceReminder = 0;
    return "muted";
  }
}
