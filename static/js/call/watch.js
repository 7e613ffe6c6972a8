// Watches a conversation for a call in another tab.

import { socketUrl } from "./socket.js";

const WAITS_MS = [500, 1000, 2000, 5000, 10_000]; // the last one is repeated
const SILENT_MS = 25_000; // a live call is reported every 10 s; without reports it is gone
const GONE = 4404; // the conversation was deleted
const OVER = [4401, 4403]; // signed out or not allowed: no reconnect

/**
 * Callbacks: `onevent(event)` for what is stored; `oncall(call)` with {id, spoken}, or null when
 * there is no call; `onover(event)` when a call has ended; `ongone()` when the conversation was
 * deleted, and `onback()` when it is there again.
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
    // Deferred: a call that begins as the page loads closes the watch at once. A socket that is
    // connecting then would delay the call, and browsers log an error when it is closed.
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
      // Only if it is the one shown: a replaced call ends after its successor has begun.
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
    // Keep trying even so, since the deletion can be undone.
    this.#gone ||= code === GONE;
    const wait = WAITS_MS[Math.min(this.#attempts, WAITS_MS.length - 1)];
    this.#attempts += 1;
    this.#timer = setTimeout(() => this.#connect(), wait);
  }
}
