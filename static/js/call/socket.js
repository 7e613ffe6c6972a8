// One WebSocket from the browser to the server, and the queue of frames to be sent.

const IDLE_MS = 8000; // an open socket without a first frame; the server waits for ten seconds

/**
 * One connection. Callbacks: `onframe(string|ArrayBuffer)`, `onclose({code, timedOut})`, which is
 * called exactly once.
 */
export class CallSocket {
  onframe = null;
  onclose = null;
  #socket;
  #first = null; // the event to send first
  #waits;
  #timer;
  #closed = false;

  /**
   * @param {string} url of the call; a path is enough
   * @param {{openMs: number, answerMs: number}} waits timeouts: to open, and then for the answer
   */
  constructor(url, waits) {
    this.#waits = waits;
    this.#socket = new WebSocket(socketUrl(url, location));
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => (this.#first ? this.#ask() : this.#wait(IDLE_MS));
    this.#socket.onmessage = ({ data }) => this.#closed || this.onframe?.(data);
    this.#socket.onclose = ({ code }) => this.#finish({ code, timedOut: false });
    this.#wait(waits.openMs);
  }

  /** Send the first event as soon as the socket is open. @param {object} first */
  begin(first) {
    this.#first = first;
    if (this.open) this.#ask();
  }

  get open() {
    return this.#socket.readyState === 1;
  }

  get bufferedAmount() {
    return this.#socket.bufferedAmount;
  }

  send(frame) {
    this.#socket.send(frame);
  }

  /** The answer has arrived: stop its timeout. */
  settle() {
    clearTimeout(this.#timer);
  }

  close(code = 1000) {
    clearTimeout(this.#timer);
    this.#socket.close(code);
  }

  /** Close without any further callback. */
  abandon() {
    this.#closed = true;
    this.close();
  }

  /** Close a dead connection. Without a code, which the server takes for a loss, not a hang-up. */
  drop() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #ask() {
    this.#wait(this.#waits.answerMs);
    this.#socket.send(JSON.stringify(this.#first));
  }

  #wait(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#socket.close();
      this.#finish({ code: 1006, timedOut: true });
    }, milliseconds);
  }

  #finish(how) {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#closed = true;
    this.onclose?.(how);
  }
}

/** The ws: or wss: URL of `url`, relative to the page at `page` (a Location). */
export function socketUrl(url, page) {
  const absolute = new URL(url, page.href);
  absolute.protocol = absolute.protocol.replace(/^http/, "ws");
  return absolute.href;
}

// Frames to the server: queued in order, counted, and kept while they may have to be resent.

const BYTES_PER_SECOND = 48_000; // PCM16 at 24 kHz
// Two seconds altogether: older speech would arrive too late to be of use.
const WAITING_BYTES = 1.8 * BYTES_PER_SECOND;
const BUSY_BYTES = 0.2 * BYTES_PER_SECOND;
const EVENTS_KEPT = 1000;
const LOUD = 0.03; // RMS; below this nobody spoke
// The person's input. All other events mean nothing to a new call.
const INPUT = [
  "input_audio_buffer.commit",
  "input_audio_buffer.clear",
  "conversation.item.create",
  "response.create",
];

/**
 * Frames on their way to the server. A frame is a string (JSON) or an ArrayBuffer (microphone). At
 * most two seconds of microphone audio are queued; older audio is dropped.
 */
export class Outbox {
  /** Frames sent since the call began, as the server counts them. */
  sent = 0;
  /** Microphone frames ever sent, and ever dropped. */
  audioSent = 0;
  audioDropped = 0;
  /** Characters of JSON plus bytes of audio ever sent. */
  bytesSent = 0;
  /** Whether there was speech in the dropped audio; whoever reports it resets this. */
  lostSpeech = false;
  #waiting = []; // frames to be sent
  #kept = []; // {frame, index}: sent, but may not have arrived
  #spokenUntil = 0; // end of the newest frame with speech that is no longer kept

  get waiting() {
    return this.#waiting.length;
  }

  /** Put a frame at the end of the queue. */
  push(frame) {
    this.#waiting.push(frame);
    this.#waiting = this.#newest(this.#waiting);
  }

  /**
   * Send as much as `port` takes without growing its buffer.
   * @param {{bufferedAmount: number, send: Function}} port
   */
  pump(port) {
    while (this.#waiting.length > 0 && port.bufferedAmount <= BUSY_BYTES) {
      const frame = this.#waiting.shift();
      port.send(frame);
      this.bytesSent += isAudio(frame) ? frame.byteLength : frame.length;
      if (isAudio(frame)) this.audioSent += 1;
      this.#keep({ frame, index: this.sent });
      this.sent += 1;
    }
  }

  /** The server has the first `received` frames of the call: queue those after them again. */
  resume(received) {
    const missing = this.#kept.filter(({ index }) => index >= received).map(({ frame }) => frame);
    this.lostSpeech ||= received < this.#spokenUntil;
    this.#spokenUntil = 0;
    this.#kept = [];
    this.sent = received;
    this.#waiting = this.#newest([...missing, ...this.#waiting]);
  }

  /** A new call takes over: of the frames not sent yet, only the person's input is kept. */
  restart() {
    this.#kept = [];
    this.#spokenUntil = 0;
    this.sent = 0;
    this.#waiting = this.#waiting.filter((frame) => isAudio(frame) || INPUT.includes(JSON.parse(frame).type));
  }

  #keep(entry) {
    this.#kept.push(entry);
    let audio = 0;
    let events = 0;
    // The limits apply from the newest frame backwards. Entries have their index, so gaps are fine.
    this.#kept = this.#kept
      .reverse()
      .filter(({ frame, index }) => {
        if (!isAudio(frame)) return ++events <= EVENTS_KEPT;
        audio += frame.byteLength;
        const keeps = audio <= WAITING_BYTES;
        if (!keeps && isLoud(frame)) this.#spokenUntil = Math.max(this.#spokenUntil, index + 1);
        return keeps;
      })
      .reverse();
  }

  #newest(frames) {
    let excess = frames.reduce((sum, frame) => sum + (isAudio(frame) ? frame.byteLength : 0), 0) - WAITING_BYTES;
    if (excess <= 0) return frames;
    return frames.filter((frame) => {
      if (!isAudio(frame) || excess <= 0) return true;
      excess -= frame.byteLength;
      this.audioDropped += 1;
      this.lostSpeech ||= isLoud(frame);
      return false;
    });
  }
}

function isAudio(frame) {
  return typeof frame !== "string";
}

function isLoud(frame) {
  let squares = 0;
  const samples = new Int16Array(frame);
  for (const sample of samples) squares += (sample / 32768) ** 2;
  return Math.sqrt(squares / Math.max(1, samples.length)) > LOUD;
}
