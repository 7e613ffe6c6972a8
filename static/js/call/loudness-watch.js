// Notices a person who begins to speak over the answer, or into a muted microphone.

const LOUD = 0.05; // RMS; what echo cancellation leaves of the answer stays below
const VOICE_FRAMES = 3; // 120 ms in a row
const QUIET_FRAMES = 15; // 600 ms
const MUTED_FRAMES = 12; // about half a second
const REMIND_FRAMES = 200; // 8 s between two reminders

/** Fed one level per 40 ms frame; says "voice", "quiet" or "muted" when something changes. */
export class LoudnessWatch {
  #loud = 0; // loud frames in a row
  #quiet = 0;
  #ducked = false;
  #sinceReminder = REMIND_FRAMES;

  /** @returns {"voice"|"quiet"|"muted"|null} */
  take(level, { muted, speaking }) {
    this.#loud = level > LOUD ? this.#loud + 1 : 0;
    this.#quiet = level > LOUD ? 0 : this.#quiet + 1;
    this.#sinceReminder += 1;
    if (muted) return this.#remind();
    if (!speaking) {
      this.#ducked = false;
      return null;
    }
    if (!this.#ducked && this.#loud >= VOICE_FRAMES) {
      this.#ducked = true;
      return "voice";
    }
    if (this.#ducked && this.#quiet >= QUIET_FRAMES) {
      this.#ducked = false;
      return "quiet";
    }
    return null;
  }

  #remind() {
    if (this.#loud < MUTED_FRAMES || this.#sinceReminder < REMIND_FRAMES) return null;
    this.#sinceReminder = 0;
    return "muted";
  }
}
