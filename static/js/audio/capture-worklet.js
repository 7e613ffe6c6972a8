// The microphone on the audio thread: any context rate in, 40 ms frames of 24 kHz PCM16 out.

import { Framer, Meter, mixDown } from "./framer.js";
import { Resampler } from "./resampler.js";

const WIRE_RATE = 24000; // Hz
const FRAME_SAMPLES = 960; // 40 ms
const LEVEL_SAMPLES = 240; // 10 ms: barge-in should not have to wait for a whole frame

class CaptureProcessor extends AudioWorkletProcessor {
  #resampler = new Resampler(sampleRate, WIRE_RATE);
  #framer = new Framer(FRAME_SAMPLES, (pcm, level) => {
    this.port.postMessage({ pcm: pcm.buffer, level }, [pcm.buffer]);
  });
  #meter = new Meter(LEVEL_SAMPLES, (level) => this.port.postMessage({ level }));
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
    // Some browsers pass no channels instead of silence. It is sent as silence, which ends a turn.
    const length = channels[0]?.length ?? this.#mono.length;
    if (this.#mono.length !== length) this.#mono = new Float32Array(length);
    const samples = this.#resampler.push(mixDown(channels, this.#mono));
    this.#meter.push(samples);
    this.#framer.push(samples);
    return true;
  }
}

registerProcessor("nextvoice-capture", CaptureProcessor);
