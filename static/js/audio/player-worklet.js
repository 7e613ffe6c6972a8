// Playback on the audio thread, the only place that knows what was really rendered.

import { PlayQueue } from "./play-queue.js";

const REPORT_MS = 50;
const PAUSE_MS = 4; // fade before a pause; a hard stop would click

class PlayerProcessor extends AudioWorkletProcessor {
  #queue = new PlayQueue(sampleRate);
  #tail = new Float32Array(0); // the fade-out of audio that was cut
  #rendered = 0; // samples of answers ever rendered
  #peak = 0; // the largest absolute value of them
  #gain = 1;
  #paused = false;
  #squares = 0;
  #sinceReport = 0;
  #playing = false;
  #closed = false;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => this.#take(data);
  }

  process(_inputs, [[out]]) {
    if (this.#closed) return false;
    // While paused, nothing is read from the queue, so that playback resumes where it stopped.
    const silent = this.#paused && this.#gain === 0;
    const { rendered, finished } = silent ? { rendered: 0, finished: [] } : this.#queue.read(out);
    this.#measure(out, rendered);
    this.#applyGain(out);
    this.#playTail(out);
    this.#report(rendered, out.length, finished);
    return true;
  }

  #take(message) {
    switch (message.type) {
      case "begin":
        this.#queue.begin(message.id);
        break;
      case "audio":
        this.#queue.push(new Int16Array(message.pcm));
        break;
      case "end":
        this.#queue.end(message.id);
        break;
      case "pause":
        this.#paused = message.on;
        // Without sound there is nothing to fade.
        if (message.on && !this.#playing) this.#gain = 0;
        break;
      case "flush":
        this.#flush(message.token);
        break;
      case "close":
        this.#closed = true;
        break;
    }
  }

  #flush(token) {
    this.#tail = this.#playing ? this.#queue.fadeOut().slice() : new Float32Array(0);
    for (let at = 0; at < this.#tail.length; at++) this.#tail[at] *= this.#gain;
    const cut = this.#queue.flush();
    this.#playing = false;
    this.#paused = false;
    this.#gain = 1;
    this.port.postMessage({ type: "flushed", token, cut });
  }

  #measure(out, rendered) {
    for (let at = 0; at < rendered; at++) {
      const size = Math.abs(out[at]);
      if (size > this.#peak) this.#peak = size;
      this.#squares += out[at] * out[at];
    }
    this.#rendered += rendered;
  }

  #applyGain(out) {
    const goal = this.#paused ? 0 : 1;
    if (this.#gain === 1 && goal === 1) return;
    const step = 1000 / (PAUSE_MS * sampleRate);
    for (let at = 0; at < out.length; at++) {
      this.#gain += Math.max(-step, Math.min(step, goal - this.#gain));
      out[at] *= this.#gain;
    }
  }

  #playTail(out) {
    if (this.#tail.length === 0) return;
    const part = this.#tail.subarray(0, out.length);
    for (let at = 0; at < part.length; at++) out[at] += part[at];
    this.#tail = this.#tail.subarray(part.length);
  }

  #report(rendered, asked, finished) {
    this.#sinceReport += asked;
    for (const { id, playedMs } of finished) {
      this.port.postMessage({ type: "finished", id, playedMs, ...this.#counters() });
    }
    const started = rendered > 0 && !this.#playing;
    if (rendered > 0) this.#playing = true;
    if (!started && this.#sinceReport < (REPORT_MS / 1000) * sampleRate) return;
    if (this.#playing) this.#reportPosition();
    if (rendered === 0) this.#playing = false;
    this.#squares = 0;
    this.#sinceReport = 0;
  }

  #reportPosition() {
    const current = this.#queue.current();
    this.port.postMessage({
      type: "position",
      id: current?.id ?? null,
      playedMs: current ? this.#queue.playedMs(current.id) : 0,
      level: Math.sqrt(this.#squares / Math.max(1, this.#sinceReport)),
      ...this.#counters(),
    });
  }

  #counters() {
    return { samplesRendered: this.#rendered, peakRendered: this.#peak };
  }
}

registerProcessor("nextvoice-player", PlayerProcessor);
