// The queue of audio to be played, with an exact account of how much of each item was rendered.

import { Resampler } from "./resampler.js";

const WIRE_RATE = 24000; // Hz
const JITTER_MS = 80; // buffered before playback starts, to absorb network jitter
const MAX_WAIT_MS = 150; // after this wait playback starts even with less in the buffer
const PULL_SAMPLES = 128;
const FADE_MS = 6; // a hard cut would click

/** Queues PCM16 at 24 kHz by item and renders it at the context's rate. */
export class PlayQueue {
  #rate;
  #resampler;
  #chunks = []; // Int16Array, oldest first
  #chunkAt = 0; // samples already consumed of the first chunk
  #waiting = 0; // samples in #chunks
  #segments = []; // {id, start, end, ended, finished}; in samples since the first ever pushed
  #pushed = 0; // samples ever pushed
  #origin = 0; // the value of #pushed at the resampler's time zero
  #rendered = 0; // output samples since then
  #ready = new Float32Array(0); // resampled, but not yet read
  #buffering = true;
  #waited = 0; // output samples spent buffering with something in the queue
  #drained = true;
  #block = new Float32Array(PULL_SAMPLES);

  /** @param {number} rate of the audio context, Hz */
  constructor(rate) {
    this.#rate = rate;
    this.#resampler = new Resampler(WIRE_RATE, rate);
  }

  /** Set the item that the following audio belongs to. */
  begin(id) {
    const last = this.#segments.at(-1);
    if (last?.id === id && !last.finished) return;
    if (last) last.ended = true;
    this.#segments.push({ id, start: this.#pushed, end: this.#pushed, ended: false, finished: false });
  }

  /** @param {Int16Array} pcm audio of the item given to `begin` last */
  push(pcm) {
    const last = this.#segments.at(-1);
    if (!last || pcm.length === 0) return;
    this.#chunks.push(pcm);
    this.#waiting += pcm.length;
    this.#pushed += pcm.length;
    last.end = this.#pushed;
    this.#drained = false;
  }

  /** Mark an item as complete: no more audio will be pushed for it. */
  end(id) {
    for (const segment of this.#segments) if (segment.id === id) segment.ended = true;
  }

  /** Milliseconds of the item that were rendered. */
  playedMs(id) {
    const at = this.#position();
    let samples = 0;
    for (const segment of this.#segments) {
      if (segment.id === id) samples += clamp(at - segment.start, 0, segment.end - segment.start);
    }
    return (samples / WIRE_RATE) * 1000;
  }

  /** The segment that is being played, or null. */
  current() {
    const at = this.#position();
    return this.#segments.find((segment) => !segment.finished && at < segment.end) ?? null;
  }

  /** Drop everything not yet rendered. Returns [{id, playedMs}] of the items that were cut. */
  flush() {
    const cut = [];
    for (const segment of this.#segments) {
      if (segment.finished || segment.end === segment.start) continue;
      if (!cut.some((one) => one.id === segment.id)) {
        cut.push({ id: segment.id, playedMs: this.playedMs(segment.id) });
      }
    }
    this.#segments = [];
    this.#chunks = [];
    this.#chunkAt = this.#waiting = 0;
    this.#ready = new Float32Array(0);
    this.#restart();
    return cut;
  }

  /** The next few milliseconds, faded out, to be played instead of a hard cut. */
  fadeOut() {
    const tail = new Float32Array(Math.round((FADE_MS / 1000) * this.#rate));
    const kept = this.#rendered;
    const count = this.#fill(tail);
    this.#rendered = kept; // the fade does not count as played
    for (let at = 0; at < count; at++) tail[at] *= 1 - at / count;
    return tail.subarray(0, count);
  }

  /**
   * Fill `out` with the next samples, padded with silence.
   * @param {Float32Array} out
   * @returns {{rendered: number, finished: {id: string, playedMs: number}[]}}
   */
  read(out) {
    out.fill(0);
    if (this.#buffering && !this.#mayStart(out.length)) return { rendered: 0, finished: [] };
    const rendered = this.#fill(out);
    if (rendered < out.length) {
      this.#buffering = true;
      this.#waited = 0;
    }
    return { rendered, finished: this.#collectFinished() };
  }

  #mayStart(samples) {
    if (this.#waiting === 0 && (this.#drained || !this.#segments.at(-1)?.ended)) return false;
    this.#waited += samples;
    const enough =
      this.#waiting >= (JITTER_MS / 1000) * WIRE_RATE ||
      this.#segments.at(-1).ended ||
      this.#waited >= (MAX_WAIT_MS / 1000) * this.#rate;
    if (enough) this.#buffering = false;
    return enough;
  }

  #fill(out) {
    let filled = 0;
    while (filled < out.length) {
      if (this.#ready.length === 0 && !this.#makeReady()) break;
      const part = this.#ready.subarray(0, out.length - filled);
      out.set(part, filled);
      filled += part.length;
      this.#ready = this.#ready.subarray(part.length);
    }
    this.#rendered += filled;
    return filled;
  }

  #makeReady() {
    while (this.#waiting > 0) {
      this.#ready = this.#resampler.push(this.#pull());
      if (this.#ready.length > 0) return true;
    }
    if (this.#drained || !this.#segments.at(-1)?.ended) return false;
    this.#drained = true;
    this.#ready = this.#resampler.drain();
    return this.#ready.length > 0;
  }

  #pull() {
    let count = 0;
    while (count < PULL_SAMPLES && this.#waiting > 0) {
      const chunk = this.#chunks[0];
      this.#block[count++] = chunk[this.#chunkAt++] / 32768;
      this.#waiting -= 1;
      if (this.#chunkAt === chunk.length) {
        this.#chunks.shift();
        this.#chunkAt = 0;
      }
    }
    return this.#block.subarray(0, count);
  }

  #collectFinished() {
    const at = this.#position();
    const finished = [];
    for (const segment of this.#segments) {
      if (segment.finished || !segment.ended || at < segment.end) continue;
      segment.finished = true;
      if (segment.end > segment.start) {
        finished.push({ id: segment.id, playedMs: this.playedMs(segment.id) });
      }
    }
    if (finished.length > 0 && this.#waiting === 0 && this.#segments.every((one) => one.finished)) {
      this.#segments = [];
      this.#ready = new Float32Array(0);
      this.#restart();
    }
    return finished;
  }

  #restart() {
    this.#resampler.reset();
    this.#origin = this.#pushed;
    this.#rendered = 0;
    this.#buffering = true;
    this.#waited = 0;
    this.#drained = true;
  }

  /** The output position, in 24 kHz samples since the first ever pushed. */
  #position() {
    return this.#origin + (this.#rendered * WIRE_RATE) / this.#rate;
  }
}

function clamp(value, low, high) {
  return Math.max(low, Math.min(high, value));
}
