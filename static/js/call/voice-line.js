// The audio path of one spoken call: microphone, gate and playback.

import { Capture } from "../audio/capture.js";
import { audioContext, leaveAudio, useAudio } from "../audio/context.js";
import { Player } from "../audio/player.js";
import { missingForVoice, reasonForMicrophone } from "./end-reasons.js";
import { LoudnessWatch, MicrophoneGate } from "./microphone-gate.js";
import { Playback } from "./playback.js";

const START_MS = 1500; // by then the audio context runs, if the device has audio at all
const SWITCH_MS = 400; // switching microphones takes a moment, which is not reported
const GONE = ["mic_absent", "mic_busy", "mic_failed"]; // the microphone may come back

/**
 * Callbacks: `onframe(ArrayBuffer)` with audio to be sent; `onvoice("voice"|"quiet")` when a person
 * starts or stops speaking over the answer; `onnotice(code)`; `onaway("device"|"microphone"|null)`
 * when the system has interrupted the audio, the microphone is missing, or all is well again;
 * `onlost(reason)` when the microphone is lost for good.
 */
export class VoiceLine {
  onframe = null;
  onvoice = null;
  onnotice = null;
  onaway = null;
  onlost = null;
  gate = new MicrophoneGate();
  playback = null;
  /** The current levels of both sides, RMS, 0 to 1. */
  levels = { user: 0, assistant: 0 };
  #capture;
  #player;
  #raw;
  #loudness = new LoudnessWatch();
  #away = null;
  #held = false; // the system has muted the microphone track
  #opened = false;
  #closed = false;
  #tries = 0;
  #onDevices = () => this.#away === "microphone" && this.#reopen();

  /**
   * @param {{capture: string, player: string}} worklets addresses of the worklet modules
   * @param {{raw?: boolean}} options
   */
  constructor(worklets, { raw = false }) {
    this.#raw = raw;
    this.#capture = new Capture(worklets.capture);
    this.#player = new Player(worklets.player);
    this.playback = new Playback(this.#player);
    this.playback.onlevel = (level) => (this.levels.assistant = level);
    this.#capture.onframe = (pcm, level) => this.#onFrame(pcm, level);
    this.#capture.onlevel = (level) => this.#onLevel(level);
    this.#capture.onlost = () => this.#reopen();
    this.#capture.onheld = (held) => {
      this.#held = held;
      this.#look();
    };
  }

  get counters() {
    return { ...this.#player.counters, itemsHeard: this.playback.itemsHeard };
  }

  /** Why there is no audio: "device", "microphone" or null. */
  get away() {
    return this.#away;
  }

  /** Whether the microphone picks up any sound right now. */
  get sounding() {
    return this.#loudness.sounding;
  }

  /** Open everything, inside a user gesture. Resolves with null, or with the reason why not. */
  async open() {
    const missing = missingForVoice(window);
    if (missing) return missing;
    useAudio(this).onstatechange = () => this.#onContextState();
    navigator.mediaDevices.addEventListener?.("devicechange", this.#onDevices);
    try {
      await this.#capture.open({ raw: this.#raw });
    } catch (problem) {
      return reasonForMicrophone(problem);
    }
    try {
      await Promise.all([this.#capture.start(), this.#player.open()]);
    } catch {
      return "audio_failed";
    }
    this.#opened = true;
    if (this.#closed) this.#release();
    // Without an audio output, a context may never start running, and there is no error.
    else setTimeout(() => this.#look(), START_MS);
    return null;
  }

  /** Switch to the microphone that is chosen now. */
  changeMicrophone() {
    if (!this.#closed) this.#reopen();
  }

  /** Get the audio back after an interruption. Works best inside a user gesture. */
  wake() {
    if (this.#closed || !this.#opened) return;
    audioContext();
    if (!this.#capture.works) this.#reopen();
    else this.#look();
  }

  /** Stop playback; resolves with what was cut, see `Playback.cut`. */
  cut() {
    this.levels.assistant = 0;
    return this.playback.cut();
  }

  /** Release the microphone now, and the player once it has reported what was heard. */
  close() {
    this.#closed = true;
    this.levels.user = 0;
    navigator.mediaDevices?.removeEventListener?.("devicechange", this.#onDevices);
    this.#capture.close();
    this.cut().finally(() => this.#release());
  }

  #release() {
    this.#capture.close();
    this.#player.close();
    leaveAudio(this);
  }

  #onFrame(pcm, level) {
    if (this.#closed || this.#away) return;
    this.levels.user = this.gate.muted ? 0 : level;
    for (const frame of this.gate.pass(pcm)) this.onframe?.(frame);
  }

  #onLevel(level) {
    if (this.#closed || this.#away) return;
    const { muted, handsFree } = this.gate;
    const heard = this.#loudness.take(level, { muted, over: handsFree && this.playback.pending });
    if (heard === "muted") this.onnotice?.("muted_talking");
    else if (heard) this.onvoice?.(heard);
  }

  async #reopen() {
    if (!this.#opened || this.#closed) return;
    const mine = ++this.#tries;
    this.#capture.close();
    const slow = setTimeout(() => this.#look(), SWITCH_MS);
    try {
      await this.#capture.open({ raw: this.#raw });
      if (mine === this.#tries) await this.#capture.start();
    } catch (problem) {
      const reason = reasonForMicrophone(problem);
      if (mine === this.#tries && !GONE.includes(reason)) this.onlost?.(reason);
    }
    clearTimeout(slow);
    if (this.#closed) this.#capture.close();
    else if (mine === this.#tries) {
      this.#held = false;
      this.#look();
    }
  }

  #onContextState() {
    // A phone call or the lock screen suspends the context; some devices resume it on request.
    if (this.#closed) return;
    if (!["running", "closed"].includes(audioContext().state)) this.onnotice?.("audio_paused");
    this.#look();
  }

  /** Check whether there is audio, and report a change. */
  #look() {
    if (this.#closed || !this.#opened) return;
    const stopped = this.#held || audioContext().state !== "running";
    const away = !this.#capture.works ? "microphone" : stopped ? "device" : null;
    if (away === this.#away) return;
    this.#away = away;
    this.levels.user = 0;
    this.onaway?.(away);
  }
}
