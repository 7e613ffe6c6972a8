// The sound of one spoken call, both ways: microphone, gate, voice.

import { audioContext } from "../audio/context.js";
import { Capture } from "../audio/capture.js";
import { Player } from "../audio/player.js";
import { missingForVoice, reasonForMicrophone } from "./end-reasons.js";
import { LoudnessWatch } from "./loudness-watch.js";
import { MicrophoneGate } from "./microphone-gate.js";
import { Playback } from "./playback.js";

/**
 * Callbacks: `onframe(ArrayBuffer)` what may go to the server, `onnotice(code)`,
 * `onlost(reason)` the microphone is gone for good.
 */
export class VoiceLine {
  onframe = null;
  onnotice = null;
  onlost = null;
  gate = new MicrophoneGate();
  playback = null;
  /** How loud both sides are now, 0 to 1. */
  levels = { user: 0, assistant: 0 };
  #capture;
  #player;
  #raw;
  #loudness = new LoudnessWatch();
  #closed = false;

  /**
   * @param {{capture: string, player: string}} worklets addresses of the worklet modules
   * @param {{raw?: boolean, handsFree?: boolean}} options
   */
  constructor(worklets, { raw = false, handsFree = true }) {
    this.#raw = raw;
    this.gate.handsFree = handsFree;
    this.#capture = new Capture(worklets.capture);
    this.#player = new Player(worklets.player);
    this.playback = new Playback(this.#player);
    this.playback.onlevel = (level) => (this.levels.assistant = level);
    this.#capture.onframe = (pcm, level) => this.#onFrame(pcm, level);
    this.#capture.onlost = () => this.#reopen();
  }

  get counters() {
    return { ...this.#player.counters, itemsHeard: this.playback.itemsHeard };
  }

  /** Open everything, inside a tap. Resolves with null, or with the reason why not. */
  async open() {
    const missing = missingForVoice(window);
    if (missing) return missing;
    const context = audioContext();
    context.onstatechange = () => this.#onContextState(context);
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
    if (this.#closed) this.#release();
    return null;
  }

  /** Take the microphone that is chosen now. */
  changeMicrophone() {
    if (!this.#closed) this.#reopen();
  }

  /** Fall silent; resolves with what was cut, see `Playback.cut`. */
  cut() {
    this.levels.assistant = 0;
    return this.playback.cut();
  }

  /** Let go of the microphone now, and of the voice once its last account was given. */
  close() {
    this.#closed = true;
    this.levels.user = 0;
    this.#capture.close();
    this.cut().finally(() => this.#release());
  }

  #release() {
    this.#capture.close();
    this.#player.close();
  }

  #onFrame(pcm, level) {
    if (this.#closed) return;
    const { muted } = this.gate;
    this.levels.user = muted ? 0 : level;
    const heard = this.#loudness.take(level, { muted, speaking: this.playback.speaking });
    if (heard === "voice") this.playback.duck(true);
    if (heard === "quiet") this.playback.duck(false);
    if (heard === "muted") this.onnotice?.("muted_talking");
    for (const frame of this.gate.pass(pcm)) this.onframe?.(frame);
  }

  async #reopen() {
    this.#capture.close();
    try {
      await this.#capture.open({ raw: this.#raw });
      await this.#capture.start();
    } catch (problem) {
      this.onlost?.(reasonForMicrophone(problem));
    }
    if (this.#closed) this.#capture.close();
  }

  #onContextState(context) {
    // A phone call or the lock screen stops the sound; it comes back only when asked.
    if (this.#closed || context.state === "running" || context.state === "closed") return;
    context.resume().catch(() => {});
    this.onnotice?.("audio_paused");
  }
}
