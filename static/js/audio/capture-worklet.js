// The microphone's end on the audio thread: any context rate in, 40 ms frames of 24 kHz PCM16 out.

import { Framer, mixDown } from "./framer.js";
import { Resampler } from "./resampler.js";

const WIRE_RATE = 24000; // Hz
const FRAME_SAMPLES = 960; // 40 ms

class CaptureProcessor extends AudioWorkletProcessor {
  #resampler = new Resampler(sampleRate, WIRE_RATE);
  #framer = new Framer(FRAME_SAMPLES, (pcm, level) => {
    this.port.postMessage({ pcm: pcm.buffer, level }, [pcm.buffer]);
  });
  #mono = new Float32Array(128);
  #closed = false;

  constructor() {
    super();
    this.port.onmessage = () => {
      this.#closed = true;
    };
  }

  process([channels]) {
    if (this.#closed) return false;
    if (channels.length === 0) return true;
    if (this.#mono.length !== channels[0].length) this.#mono = new Float32Array(channels[0].length);
    this.#framer.push(this.#resampler.push(mixDown(channels, this.#mono)));
    return true;
  }
}

registerProcessor("nextvoice-capture", CaptureProcessor);
