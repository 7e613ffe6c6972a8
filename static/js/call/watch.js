// Watches a conversation whose call may go on in another tab.

import { socketUrl } from "./socket.js";

const WAITS_MS = [500, 1000, 2000, 5000, 10_000]; // the last again and again
const SILENT_MS = 25_000; // a call shows itself every 10 s; one that does not is gone
const GONE = 4404; // the conversation was deleted
const OVER = [4401, 4403]; // nothing more will be shown

/**
 * Callbacks: `onevent(event)` what is stored, `oncall(call)` {id, spoken}, or null: no call,
 * `onover(event)` a call is over, `ongone()` the conversation is not there any more, and `onback()`
 * it is there again.
 */
export class Watch {
  onevent = null;
  oncall = null;
  onover = null;
  ongone = null;
  onback = null;
  #url;
  #socket = null;
  #attempts = 0;
  #timer;
  #silence;
  #call = null;
  #gone = false;
  #closed = false;

  /** @param {string} url of the conversation's watch socket */
  constructor(url) {
    this.#url = url;
    // A call that begins as the page arrives gives the watch up at once. By then no socket may
    // connect: it would be in the call's way, and browsers complain when it is closed.
    this.#timer = setTimeout(() => this.#connect());
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#socket?.close();
  }

  #connect() {
    const socket = new WebSocket(socketUrl(this.#url, location));
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#closed || this.#take(JSON.parse(data));
    socket.onclose = ({ code }) => this.#onClose(code);
  }

  #take(event) {
    this.#attempts = 0;
    if (this.#gone) this.onback?.();
    this.#gone = false;
    if (event.type === "nextvoice.call") this.#onCall(event);
    else this.onevent?.(event);
  }

  #onCall(event) {
    const { call_id: id, live, spoken } = event;
    clearTimeout(this.#silence);
    if (!live) this.onover?.(event);
    if (live) {
      this.#silence = setTimeout(() => this.#show(null), SILENT_MS);
      this.#show({ id, spoken });
    } else if (this.#call?.id === id) {
      // One that was taken over ends after the other has begun.
      this.#show(null);
    }
  }

  #show(call) {
    if (this.#call?.id === call?.id) return;
    this.#call = call;
    this.oncall?.(call);
  }

  #onClose(code) {
    if (this.#closed || OVER.includes(code)) return;
    if (code === GONE && !this.#gone) this.ongone?.();
    // Looked for again and again all the same: whoever deleted it may undo that.
    this.#gone ||= code === GONE;
    const wait = WAITS_MS[Math.min(this.#attempts, WAITS_MS.length - 1)];
    this.#attempts += 1;
    this.#timer = setTimeout(() => this.#connect(), wait);
  }
}
