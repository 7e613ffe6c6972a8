// The assistant's voice: passes audio to the worklet and reports what was heard.

import { audioContext, latencyMs, loadWorklet } from "./context.js";

const FLUSH_WAIT_MS = 400; // an unresponsive audio thread must not block the call

/**
 * Plays items. Callbacks: `onposition({id, playedMs, level})` about every 50 ms during playback,
 * `onfinished({id, playedMs})` when an item was rendered to its end.
 */
export class Player {
  onposition = null;
  onfinished = null;
  /** The audio thread's counters: samples, and the largest absolute sample (0 to 1). */
  counters = { samplesRendered: 0, peakRendered: 0 };
  #workletUrl;
  #node = null;
  #item = null;
  #flushes = new Map(); // token -> resolve
  #tokens = 0;

  constructor(workletUrl) {
    this.#workletUrl = workletUrl;
  }

  async open() {
    await loadWorklet(this.#workletUrl);
    const context = audioContext();
    this.#node = new AudioWorkletNode(context, "nextvoice-player", {
      numberOfInputs: 0,
      outputChannelCount: [1],
    });
    this.#node.port.onmessage = ({ data }) => this.#take(data);
    this.#node.connect(context.destination);
  }

  /** Queue audio. @param {string} id of the item  @param {ArrayBuffer} pcm PCM16 at 24 kHz */
  play(id, pcm) {
    if (!this.#node) return;
    if (this.#item !== id) this.#node.port.postMessage({ type: "begin", id });
    this.#item = id;
    this.#node.port.postMessage({ type: "audio", pcm }, [pcm]);
  }

  /** Mark an item as complete. */
  end(id) {
    this.#node?.port.postMessage({ type: "end", id });
  }

  /** Pause playback, or resume it from the same sample. */
  pause(on) {
    this.#node?.port.postMessage({ type: "pause", on });
  }

  /** Stop and drop all audio. Resolves with [{id, playedMs}] of the cut items, in order. */
  flush() {
    if (!this.#node) return Promise.resolve([]);
    this.#item = null;
    const token = ++this.#tokens;
    this.#node.port.postMessage({ type: "flush", token });
    return new Promise((resolve) => {
      this.#flushes.set(token, resolve);
      setTimeout(() => this.#settle(token, []), FLUSH_WAIT_MS);
    });
  }

  close() {
    this.#node?.port.postMessage({ type: "close" });
    this.#node?.disconnect();
    this.#node = null;
    this.#item = null;
    for (const token of [...this.#flushes.keys()]) this.#settle(token, []);
  }

  #take(message) {
    if (message.type === "flushed") {
      this.#settle(message.token, message.cut.map((one) => this.#asHeard(one)));
      return;
    }
    this.counters.samplesRendered = message.samplesRendered;
    this.counters.peakRendered = message.peakRendered;
    if (message.type === "finished") {
      if (this.#item === message.id) this.#item = null;
      this.onfinished?.({ id: message.id, playedMs: message.playedMs });
    }
    if (message.type === "position" && message.id !== null) {
      this.onposition?.({ ...this.#asHeard(message), level: message.level });
    }
  }

  /** Subtract the output latency: what was rendered last has not reached the speaker yet. */
  #asHeard({ id, playedMs }) {
    return { id, playedMs: Math.max(0, playedMs - latencyMs()) };
  }

  #settle(token, cut) {
    this.#flushes.get(token)?.(cut);
    this.#flushes.delete(token);
  }
}
