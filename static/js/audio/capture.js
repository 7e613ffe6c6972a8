// The microphone: from the device to 40 ms frames.

import { audioContext, loadWorklet } from "./context.js";
import { microphoneWanted } from "./devices.js";

/** Captures one microphone. `onframe(buffer, level)` gets PCM16 24 kHz and its RMS (0 to 1). */
export class Capture {
  onframe = null;
  onlost = null; // the device went away, or the browser took it
  #workletUrl;
  #stream = null;
  #source = null;
  #node = null;

  constructor(workletUrl) {
    this.#workletUrl = workletUrl;
  }

  /**
   * Open the microphone. Rejects with the DOMException of getUserMedia.
   * @param {{raw?: boolean}} options `raw` switches the browser's own processing off
   */
  async open({ raw = false } = {}) {
    const processing = !raw;
    this.#stream = await navigator.mediaDevices.getUserMedia({
      audio: {
        ...microphoneWanted(),
        channelCount: 1,
        echoCancellation: processing,
        noiseSuppression: processing,
        autoGainControl: processing,
      },
    });
    for (const track of this.#stream.getAudioTracks()) {
      track.onended = () => this.onlost?.();
    }
  }

  /** Start handing out frames. Rejects when the worklet cannot be loaded. */
  async start() {
    await loadWorklet(this.#workletUrl);
    if (!this.#stream) return;
    const context = audioContext();
    this.#source = context.createMediaStreamSource(this.#stream);
    this.#node = new AudioWorkletNode(context, "nextvoice-capture", { numberOfOutputs: 0 });
    this.#node.port.onmessage = ({ data }) => this.onframe?.(data.pcm, data.level);
    this.#source.connect(this.#node);
  }

  close() {
    this.#node?.port.postMessage("close");
    this.#source?.disconnect();
    for (const track of this.#stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.#stream = this.#source = this.#node = null;
  }
}
