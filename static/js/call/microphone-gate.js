// Which microphone frames go out: open, muted, or only while the person holds to talk; and what is
// heard in those that do not.

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

// Notices a person who begins to speak over the answer, or into a muted microphone.

const LOUD = 0.05; // RMS; what echo cancellation leaves of the answer stays below
const VOICE_LEVELS = 4; // 40 ms more loud than quiet
const QUIET_LEVELS = 20; // 200 ms in a row: longer than the gaps between syllables
const MUTED_LEVELS = 50; // half a second
const REMIND_LEVELS = 800; // 8 s between two reminders
const FAINT = 0.01; // RMS; with the answer paused there is no echo to be taken for a voice
const ABOVE_FLOOR = 3; // times as loud as the room
const LATELY_LEVELS = 8; // 80 ms

/** Fed one level (RMS, 0 to 1) each 10 ms; says "voice", "quiet" or "muted" when it changes. */
export class LoudnessWatch {
  #loud = 0; // loud levels, less the quiet ones between them
  #quiet = QUIET_LEVELS; // quiet levels in a row
  #voice = false;
  #sinceReminder = REMIND_LEVELS;
  #floor = FAINT; // how loud the room is
  #sinceSound = LATELY_LEVELS; // levels since somebody was to be heard, however faintly

  /**
   * @param {number} level
   * @param {{muted: boolean, over: boolean}} situation `over`: whether a voice would be one over
   *   an answer
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

  /** Whether somebody was to be heard just now, be it faintly. */
  get sounding() {
    return this.#sinceSound < LATELY_LEVELS;
  }

  #listen(level) {
    const loud = level > LOUD;
    this.#loud = loud ? this.#loud + 1 : Math.max(0, this.#loud - 1);
    this.#quiet = loud ? 0 : this.#quiet + 1;
    if (this.#quiet >= QUIET_LEVELS) this.#loud = 0;
    this.#sinceSound = level > Math.max(FAINT, this.#floor * ABOVE_FLOOR) ? 0 : this.#sinceSound + 1;
    // Down at once, up slowly: a voice is no floor.
    this.#floor = level < this.#floor ? level * 0.2 + this.#floor * 0.8 : Math.min(LOUD, this.#floor * 1.002 + 1e-6);
  }

  #remind() {
    if (this.#loud < MUTED_LEVELS || this.#sinceReminder < REMIND_LEVELS) return null;
    this.#sinceReminder = 0;
    return "muted";
  }
}
