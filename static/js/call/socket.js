// The browser leg: JSON events and PCM both ways over one WebSocket.

const OPEN_WAIT_MS = 15_000;
const READY_WAIT_MS = 30_000;
const BACKLOG_BYTES = 256 * 1024; // about 5 s of audio; older speech is worth nothing by then

/**
 * One connection. Callbacks: `onevent(event)`, `onaudio(itemId, ArrayBuffer)`,
 * `onclose({code, timedOut})`, which comes exactly once.
 */
export class CallSocket {
  onevent = null;
  onaudio = null;
  onclose = null;
  framesSent = 0;
  framesDropped = 0;
  #socket;
  #item = null; // whose audio the binary frames are
  #timer;
  #closed = false;

  /**
   * @param {string} url of the call; a path is enough
   * @param {object} start the fields of the `nextvoice.start` frame
   */
  constructor(url, start) {
    this.#socket = new WebSocket(socketUrl(url, location));
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.#wait(READY_WAIT_MS);
      this.send({ type: "nextvoice.start", ...start });
    };
    this.#socket.onmessage = ({ data }) => this.#take(data);
    this.#socket.onclose = ({ code }) => this.#finish({ code, timedOut: false });
    this.#wait(OPEN_WAIT_MS);
  }

  get open() {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Send one event; false when the socket is not open. */
  send(event) {
    if (!this.open) return false;
    this.#socket.send(JSON.stringify(event));
    return true;
  }

  /** Send microphone audio; dropped when the network has not taken what went before. */
  sendAudio(frame) {
    if (!this.open || this.#socket.bufferedAmount > BACKLOG_BYTES) {
      this.framesDropped += 1;
      return;
    }
    this.#socket.send(frame);
    this.framesSent += 1;
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

  #take(data) {
    if (this.#closed) return;
    if (typeof data !== "string") {
      if (this.#item !== null) this.onaudio?.(this.#item, data);
      return;
    }
    const event = parsed(data);
    if (!event) return;
    if (event.type === "nextvoice.ready") clearTimeout(this.#timer);
    if (event.type === "nextvoice.audio") this.#item = event.item_id;
    this.onevent?.(event);
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

function parsed(text) {
  try {
    const event = JSON.parse(text);
    return typeof event?.type === "string" ? event : null;
  } catch {
    return null;
  }
}
