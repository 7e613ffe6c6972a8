// Streaming sample rate conversion: a windowed sinc, evaluated at exact rational positions.

const ZERO_CROSSINGS = 16; // on each side of the centre
const ROLL_OFF = 0.94; // cutoff, relative to the lower Nyquist frequency, to prevent aliasing
const MAX_PHASES = 1024;
const KAISER_BETA = 8;

/** Converts mono float samples from one rate to another, in blocks of any size. */
export class Resampler {
  #step; // whole input samples per output sample
  #stepPhases; // plus the remainder, in phases
  #phases;
  #half; // input samples needed on each side of a position
  #kernels;
  #input = new Float32Array(4096);
  #filled = 0;
  #at = 0; // index into #input of the next output sample
  #phase = 0;
  #output = new Float32Array(4096);

  /** @param {number} fromRate Hz  @param {number} toRate Hz */
  constructor(fromRate, toRate) {
    const divisor = greatestCommonDivisor(Math.round(fromRate), Math.round(toRate));
    const from = Math.round(fromRate) / divisor;
    const to = Math.round(toRate) / divisor;
    this.#phases = Math.min(to, MAX_PHASES);
    const advance = Math.round((from * this.#phases) / to);
    this.#step = Math.floor(advance / this.#phases);
    this.#stepPhases = advance % this.#phases;
    const cutoff = Math.min(1, to / from) * ROLL_OFF;
    this.#half = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.#kernels = makeKernels(this.#phases, this.#half, cutoff);
    this.reset();
  }

  /** How many input samples must follow a position before its output can be computed. */
  get lookahead() {
    return this.#half;
  }

  /** Clear all state: the next sample pushed is at time zero. */
  reset() {
    this.#input.fill(0, 0, this.#half - 1);
    this.#filled = this.#half - 1;
    this.#at = this.#half - 1;
    this.#phase = 0;
  }

  /**
   * Add input samples and return the output samples that can be computed now.
   * The returned view is valid until the next call.
   * @param {Float32Array} samples
   * @returns {Float32Array}
   */
  push(samples) {
    this.#append(samples);
    let count = 0;
    while (this.#at + this.#half < this.#filled) {
      if (count === this.#output.length) this.#output = grown(this.#output, count * 2);
      this.#output[count++] = this.#sampleAt(this.#at, this.#phase);
      this.#phase += this.#stepPhases;
      this.#at += this.#step;
      if (this.#phase >= this.#phases) {
        this.#phase -= this.#phases;
        this.#at += 1;
      }
    }
    return this.#output.subarray(0, count);
  }

  /** Flush the remaining output, as if silence followed. Call `reset` before pushing more. */
  drain() {
    return this.push(new Float32Array(this.#half));
  }

  #append(samples) {
    const start = Math.max(0, Math.min(this.#at - this.#half + 1, this.#filled));
    if (start > 0) {
      this.#input.copyWithin(0, start, this.#filled);
      this.#filled -= start;
      this.#at -= start;
    }
    const needed = this.#filled + samples.length;
    if (needed > this.#input.length) this.#input = grown(this.#input, needed * 2);
    this.#input.set(samples, this.#filled);
    this.#filled = needed;
  }

  #sampleAt(index, phase) {
    const kernel = this.#kernels[phase];
    const input = this.#input;
    let sum = 0;
    for (let tap = 0, at = index - this.#half + 1; tap < kernel.length; tap++, at++) {
      sum += kernel[tap] * input[at];
    }
    return sum;
  }
}

function makeKernels(phases, half, cutoff) {
  const kernels = [];
  for (let phase = 0; phase < phases; phase++) {
    const kernel = new Float32Array(2 * half);
    let sum = 0;
    for (let tap = 0; tap < kernel.length; tap++) {
      const distance = tap - half + 1 - phase / phases;
      kernel[tap] = cutoff * sinc(cutoff * distance) * kaiser(distance / half);
      sum += kernel[tap];
    }
    // Normalised to unity gain at DC; otherwise the phases would differ and cause a hum.
    for (let tap = 0; tap < kernel.length; tap++) kernel[tap] /= sum;
    kernels.push(kernel);
  }
  return kernels;
}

function sinc(x) {
  if (x === 0) return 1;
  return Math.sin(Math.PI * x) / (Math.PI * x);
}

function kaiser(x) {
  if (x <= -1 || x >= 1) return 0;
  return bessel(KAISER_BETA * Math.sqrt(1 - x * x)) / bessel(KAISER_BETA);
}

function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; k < 30; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a, b) {
  while (b) [a, b] = [b, a % b];
  return a;
}

function grown(array, length) {
  const larger = new Float32Array(length);
  larger.set(array);
  return larger;
}
