// Microphone capture: from the device to 40 ms frames.

import { audioContext, loadWorklet, microphoneWanted } from "./context.js";

/**
 * Captures one microphone. Callbacks: `onframe(buffer, level)` with 40 ms of PCM16 at 24 kHz and
 * its RMS (0 to 1); `onlevel(level)` with the RMS of each 10 ms; `onlost()` when the track has
 * ended; `onheld(held)` when the system mutes the track, as for a phone call, or unmutes it.
 */
export class Capture {
  onframe = null;
  onlevel = null;
  onlost = null;
  onheld = null;
  #workletUrl;
  #stream = null;
  #source = null;
  #node = null;
  #opened = 0; // counts calls of `open`, so that only the last one takes effect

  constructor(workletUrl) {
    this.#workletUrl = workletUrl;
  }

  /**
   * Open the microphone; of several concurrent calls only the last takes effect. Rejects with the
   * DOMException of getUserMedia.
   * @param {{raw?: boolean}} options `raw` switches the browser's audio processing off
   */
  async open({ raw = false } = {}) {
    const processing = !raw;
    const mine = ++this.#opened;
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: {
        ...microphoneWanted(),
        channelCount: 1,
        echoCancellation: processing,
        noiseSuppression: processing,
        autoGainControl: processing,
      },
    });
    if (mine !== this.#opened) {
      // Superseded while the permission prompt was open or the device was starting.
      for (const track of stream.getTracks()) track.stop();
      return;
    }
    this.#stream = stream;
    for (const track of stream.getAudioTracks()) {
      track.onended = () => this.onlost?.();
      track.onmute = () => this.onheld?.(true);
      track.onunmute = () => this.onheld?.(false);
    }
  }

  /** Start delivering frames. Rejects when the worklet cannot be loaded. */
  async start() {
    const stream = this.#stream;
    await loadWorklet(this.#workletUrl);
    if (!stream || stream !== this.#stream) return;
    const context = audioContext();
    this.#source = context.createMediaStreamSource(stream);
    this.#node = new AudioWorkletNode(context, "nextvoice-capture", { numberOfOutputs: 0 });
    this.#node.port.onmessage = ({ data }) =>
      data.pcm ? this.onframe?.(data.pcm, data.level) : this.onlevel?.(data.level);
    this.#source.connect(this.#node);
  }

  /** Whether there is a live microphone track. */
  get works() {
    return this.#stream?.getAudioTracks().some((track) => track.readyState === "live") ?? false;
  }

  close() {
    this.#opened += 1;
    this.#node?.port.postMessage("close");
    this.#source?.disconnect();
    for (const track of this.#stream?.getTracks() ?? []) {
      track.onended = track.onmute = track.onunmute = null;
      track.stop();
    }
    this.#stream = this.#source = this.#node = null;
  }
}
