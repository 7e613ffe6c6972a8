// One WebSocket of the browser leg, from its first frame to its close.

/**
 * One connection. Callbacks: `onframe(string|ArrayBuffer)`, `onclose({code, timedOut})`, which
 * comes exactly once.
 */
export class CallSocket {
  onframe = null;
  onclose = null;
  #socket;
  #timer;
  #closed = false;

  /**
   * @param {string} url of the call; a path is enough
   * @param {object} first the event to begin with
   * @param {{openMs: number, answerMs: number}} waits how long opening, then the answer may take
   */
  constructor(url, first, { openMs, answerMs }) {
    this.#socket = new WebSocket(socketUrl(url, location));
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.#wait(answerMs);
      this.#socket.send(JSON.stringify(first));
    };
    this.#socket.onmessage = ({ data }) => this.#closed || this.onframe?.(data);
    this.#socket.onclose = ({ code }) => this.#finish({ code, timedOut: false });
    this.#wait(openMs);
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

  /** The answer that was waited for is there. */
  settle() {
    clearTimeout(this.#timer);
  }

  close(code = 1000) {
    clearTimeout(this.#timer);
    this.#socket.close(code);
  }

  /** Close without a word: nothing is called back any more. */
  abandon() {
    this.#closed = true;
    this.close();
  }

  /** Let go of a line that is dead. Without a code, which the server takes for a loss, not a goodbye. */
  drop() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket.close();
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

/** The ws(s) address of `url` seen from a page at `page`. */
export function socketUrl(url, page) {
  const absolute = new URL(url, page.href);
  absolute.protocol = absolute.protocol.replace(/^http/, "ws");
  return absolute.href;
}
