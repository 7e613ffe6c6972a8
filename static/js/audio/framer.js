// Cuts a stream of samples into PCM16 frames of a fixed length and measures their level.

const FULL_SCALE = 32767;

/** Collects float samples and emits whole frames of `samplesPerFrame`. */
export class Framer {
  #frame;
  #filled = 0;
  #squares = 0;
  #onFrame;

  /**
   * @param {number} samplesPerFrame
   * @param {(pcm: Int16Array, level: number) => void} onFrame the frame is the receiver's to keep;
   *   `level` is its RMS, 0 to 1
   */
  constructor(samplesPerFrame, onFrame) {
    this.#frame = new Int16Array(samplesPerFrame);
    this.#onFrame = onFrame;
  }

  /** @param {Float32Array} samples */
  push(samples) {
    for (const sample of samples) {
      const clipped = sample > 1 ? 1 : sample < -1 ? -1 : sample;
      this.#frame[this.#filled++] = Math.round(clipped * FULL_SCALE);
      this.#squares += clipped * clipped;
      if (this.#filled === this.#frame.length) this.#emit();
    }
  }

  #emit() {
    const level = Math.sqrt(this.#squares / this.#frame.length);
    const frame = this.#frame;
    this.#frame = new Int16Array(frame.length);
    this.#filled = 0;
    this.#squares = 0;
    this.#onFrame(frame, level);
  }
}

/** Reports the level of each block of `samples` samples: RMS, 0 to 1. */
export class Meter {
  #samples;
  #onLevel;
  #counted = 0;
  #squares = 0;

  /** @param {number} samples  @param {(level: number) => void} onLevel */
  constructor(samples, onLevel) {
    this.#samples = samples;
    this.#onLevel = onLevel;
  }

  /** @param {Float32Array} samples */
  push(samples) {
    for (const sample of samples) {
      this.#squares += sample * sample;
      this.#counted += 1;
      if (this.#counted < this.#samples) continue;
      this.#onLevel(Math.sqrt(this.#squares / this.#counted));
      this.#counted = this.#squares = 0;
    }
  }
}

/** Mix the channels of one block down to mono, into `into`, which is returned. */
export function mixDown(channels, into) {
  const share = 1 / channels.length;
  into.fill(0);
  for (const channel of channels) {
    for (let at = 0; at < into.length; at++) into[at] += channel[at] * share;
  }
  return into;
}
