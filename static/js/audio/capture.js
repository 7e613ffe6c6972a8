// The microphone: from the device to 40 ms frames.

import { audioContext, loadWorklet, microphoneWanted } from "./context.js";

/**
 * Captures one microphone. `onframe(buffer, level)` gets 40 ms of PCM16 24 kHz and its RMS (0 to
 * 1), `onlevel(level)` the RMS of each 10 ms; `onlost()` the device went away; `onheld(held)` the
 * device keeps the sound to itself, as for a phone call, or gives it back.
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
  #opened = 0; // times, to know what is opened last

  constructor(workletUrl) {
    this.#workletUrl = workletUrl;
  }

  /**
   * Open the microphone; of several that are opened at once only the last one is. Rejects with the
   * DOMException of getUserMedia.
   * @param {{raw?: boolean}} options `raw` switches the browser's own processing off
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
      // A person may take their time to allow it, and a device to open.
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

  /** Start handing out frames. Rejects when the worklet cannot be loaded. */
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

  /** Whether there is a microphone that works. */
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
