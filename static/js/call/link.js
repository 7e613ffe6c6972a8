// The connection to the server: one call over as many WebSockets as it takes.
//
// Both sides count the frames of the call. When a socket is lost, the next one says how many have
// arrived and both sides resend what the other lacks, so that nothing is lost or duplicated. If the
// server cannot resume the call, a new one is started in the same conversation.

import { diagnose, mayReconnect, reasonForClose } from "./end-reasons.js";
import { CallSocket, Outbox } from "./socket.js";

const WAITS_MS = [0, 250, 500, 1000, 2000]; // the last one is repeated
const GIVE_UP_MS = 60_000;
const TICK_MS = 2000;
const SILENT_MS = 8000; // where the server says every three seconds that the line is there
const ASLEEP_MS = 120_000; // timers of a page in the background may be a minute late
const FIRST = { openMs: 15_000, answerMs: 30_000 };
const AGAIN = { openMs: 4000, answerMs: 30_000 };
const RESUME = { openMs: 4000, answerMs: 4000 };
const PUMP_MS = 40;
const TOLD_BYTES = 32_000; // received bytes per acknowledgement
const STALLED_MS = 5000; // a socket whose buffer has not drained for so long is dead
const HEARD_MS = 10_000; // so is one that receives nothing for so long after a message
const FAREWELL_MS = 6000; // the server stores the last messages before it closes
const MOVING = ["not_resumable", "server_stopping", "server_busy"];
const HOPELESS = ["signed_out", "not_found", "not_allowed"];

/**
 * Callbacks: `onevent(event)`; `onaudio(itemId, ArrayBuffer)`; `onlost()`: the socket is lost and a
 * reconnect is under way; `onresumed()`: the same call continues; `onrestart()`: a new call will be
 * started (its `nextvoice.ready` follows); `onspeechlost()`: some of the person's speech had to be
 * dropped; `onfailed(reason)`: the call is over.
 */
export class CallLink {
  onevent = null;
  onaudio = null;
  onlost = null;
  onresumed = null;
  onrestart = null;
  onspeechlost = null;
  onfailed = null;
  #url;
  #start;
  #begun = false; // until then the open socket only stands by, and may close
  #outbox = new Outbox();
  #socket = null;
  #received = 0; // frames received in this call
  #untold = 0; // bytes of them not yet acknowledged
  #resume = null; // {call_id, token, seconds}
  #item = null; // id of the item that binary frames belong to
  #phase = "opening"; // then "ready" and "lost" in turn, finally "closed"
  #lostAt = 0;
  #attempts = 0;
  #busy = false; // a worker has reported `server_busy` since the connection was lost
  #timer;
  #pumping;
  #anew = false; // the next socket starts a new call
  #movedAt = 0;
  #moved = 0; // bytes that have left the socket's buffer
  #silence; // timer that runs while nothing has been received since a message was sent
  #ticking;
  #beats = false; // whether it does
  #heardAt = 0;
  #awakeAt = Date.now();
  #wokeAt = -Infinity; // by the wall clock: other clocks may stop while the device sleeps
  #onOnline = () => this.#phase === "lost" && !this.#socket && this.#connect();

  /**
   * Open a socket early: it takes three round trips, during which the audio can be opened.
   * @param {string} url of the call
   * @param {() => object} start returns the fields of `nextvoice.start`; called at each start
   */
  constructor(url, start) {
    this.#url = url;
    this.#start = start;
    globalThis.addEventListener?.("online", this.#onOnline);
    this.#tick();
    this.#socket = this.#open(FIRST);
  }

  /** Begin the call. */
  begin() {
    this.#begun = true;
    if (this.#socket) this.#socket.begin(this.#first());
    else this.#connect();
  }

  /** Counters for tests. */
  get counters() {
    return { framesSent: this.#outbox.audioSent, framesDropped: this.#outbox.audioDropped };
  }

  /** Send an event, or queue it while there is no connection. */
  send(event) {
    this.#push(JSON.stringify(event));
    if (event.type === "conversation.item.create") this.#expect();
  }

  /** Send microphone audio; while it cannot be sent, the newest two seconds are queued. */
  sendAudio(frame) {
    this.#push(frame);
  }

  /**
   * Hang up once `last` has settled. Resolves when the server has closed, or after a timeout.
   * Meanwhile `onevent` still gets events; the other callbacks are removed.
   * @param {Promise<unknown>} last
   */
  async leave(last) {
    this.onlost = this.onresumed = this.onrestart = this.onspeechlost = this.onfailed = null;
    this.onaudio = null;
    const socket = this.#socket;
    if (!socket || this.#phase !== "ready") {
      this.close();
      return;
    }
    const gone = new Promise((resolve) => {
      socket.onclose = resolve;
      setTimeout(resolve, FAREWELL_MS);
    });
    // Truncations must be sent before the hang-up, or text would be stored that nobody heard.
    await last.catch(() => {});
    this.send({ type: "nextvoice.hang_up" });
    await gone;
    this.close();
  }

  /** Close without hanging up. */
  close() {
    this.#phase = "closed";
    clearTimeout(this.#timer);
    clearTimeout(this.#pumping);
    clearTimeout(this.#silence);
    clearTimeout(this.#ticking);
    globalThis.removeEventListener?.("online", this.#onOnline);
    this.#socket?.abandon();
    this.#socket = null;
  }

  /** Notice when the device was asleep, and when the line is dead: what is sent is no sign of it. */
  #tick() {
    clearTimeout(this.#ticking);
    const now = Date.now();
    if (now - this.#awakeAt > ASLEEP_MS) this.#wokeAt = now;
    this.#awakeAt = now;
    this.#ticking = setTimeout(() => {
      this.#tick();
      const silent = performance.now() - this.#heardAt > SILENT_MS;
      if (silent && this.#beats && this.#phase === "ready" && this.#resume) this.#letGo();
    }, TICK_MS);
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#socket = this.#open(this.#resume ? RESUME : this.#phase === "opening" ? FIRST : AGAIN);
    this.#socket.begin(this.#first());
  }

  #open(waits) {
    const socket = new CallSocket(this.#url, waits);
    socket.onframe = (frame) => this.#take(frame);
    socket.onclose = (how) => this.#onClose(how);
    return socket;
  }

  #first() {
    const resume = this.#resume;
    return resume
      ? { type: "nextvoice.resume", call_id: resume.call_id, token: resume.token, received: this.#received }
      : { type: "nextvoice.start", ...this.#start() };
  }

  #take(frame) {
    clearTimeout(this.#silence);
    this.#heardAt = performance.now();
    if (!this.#begun) {
      // Before `begin` it can only be the reason for a close. If that still holds later, the next
      // socket will be told as well.
      this.#socket.abandon();
      this.#socket = null;
      return;
    }
    if (typeof frame !== "string") {
      this.#count(frame.byteLength);
      if (this.#item !== null) this.onaudio?.(this.#item, frame);
      return;
    }
    const event = parsed(frame);
    if (event?.type === "nextvoice.beat") {
      this.#beats = true;
      return;
    }
    if (event?.type === "nextvoice.resumed") return this.#onResumed(event);
    if (event?.type === "nextvoice.ready") this.#onReady(event);
    this.#count(frame.length);
    if (!event) return;
    if (event.type === "nextvoice.audio") this.#item = event.item_id;
    if (event.type === "nextvoice.ended" && this.#goesOnAfter(event.reason)) return;
    this.onevent?.(event);
    if (event.type === "nextvoice.ready") this.#pump();
  }

  /** Count a frame, and acknowledge at times, so that the server need not keep it for a resume. */
  #count(size) {
    this.#received += 1;
    this.#untold += size;
    if (this.#untold < TOLD_BYTES || this.#phase !== "ready") return;
    this.#untold = 0;
    this.send({ type: "nextvoice.received", received: this.#received });
  }

  #onReady(event) {
    this.#socket.settle();
    this.#received = 0;
    this.#item = null;
    if (this.#anew) this.#outbox.restart();
    this.#anew = false;
    this.#resume = event.resume ? { ...event.resume, call_id: event.call_id } : null;
    this.#found();
  }

  #onResumed({ received }) {
    this.#socket.settle();
    this.#outbox.resume(received);
    this.#found();
    this.onresumed?.();
    this.#pump();
    this.#tellLoss();
  }

  #found() {
    this.#phase = "ready";
    this.#busy = false;
    this.#attempts = 0;
    this.#movedAt = performance.now();
    this.#moved = this.#outbox.bytesSent;
  }

  /** Whether a `nextvoice.ended` concerns only this socket or worker, so that the call goes on. */
  #goesOnAfter(reason) {
    if (this.#phase === "opening" || !MOVING.includes(reason)) return false;
    // Another worker may have room, or this one soon: the close that follows triggers a reconnect.
    if (reason === "server_busy") {
      this.#busy = true;
      return true;
    }
    // The worker stops: after the close that follows, the reconnect reaches another one.
    if (this.#phase === "ready") this.#lose();
    this.#beginAnew();
    return true;
  }

  async #onClose({ code, timedOut }) {
    this.#socket = null;
    if (this.#phase === "closed" || !this.#begun) return;
    if (this.#phase === "opening") {
      const broke = mayReconnect(code);
      const reason = timedOut ? "provider_timeout" : broke ? await diagnose() : reasonForClose(code);
      this.#fail(reason);
      return;
    }
    if (code === 4410) {
      this.#beginAnew();
    } else if (!mayReconnect(code) && !(code === 1011 && this.#resume)) {
      this.#fail(reasonForClose(code));
      return;
    }
    if (this.#phase === "ready") this.#lose();
    else if (this.#attempts > 0 && code !== 4410) this.#lookForReason();
    this.#again();
  }

  #lose() {
    this.#tick();
    this.#phase = "lost";
    this.#lostAt = performance.now();
    this.#attempts = 0;
    clearTimeout(this.#pumping);
    this.onlost?.();
    if (!this.#resume) this.#beginAnew();
  }

  #again() {
    if (this.#phase === "closed") return;
    const away = performance.now() - this.#lostAt;
    if (away > GIVE_UP_MS) {
      if (this.#busy) this.#fail("server_busy");
      else diagnose().then((reason) => this.#fail(reason));
      return;
    }
    if (this.#resume && away > this.#resume.seconds * 1000) this.#beginAnew();
    if (this.#phase === "closed") return;
    const wait = WAITS_MS[Math.min(this.#attempts, WAITS_MS.length - 1)];
    this.#attempts += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  #beginAnew() {
    if (this.#anew) return;
    // Who opens a laptop again is not to be listened to unasked.
    if (Date.now() - this.#wokeAt < GIVE_UP_MS) {
      this.#fail("browser_gone");
      return;
    }
    this.#anew = true;
    this.#resume = null;
    this.onrestart?.();
  }

  /** Runs while reconnecting goes on, since the request takes long if the server is down. */
  async #lookForReason() {
    const reason = await diagnose();
    if (this.#phase === "lost" && HOPELESS.includes(reason)) this.#fail(reason);
  }

  #fail(reason) {
    if (this.#phase === "closed") return;
    this.close();
    this.onfailed?.(reason);
  }

  #push(frame) {
    if (this.#phase === "closed" || this.#phase === "opening") return;
    this.#outbox.push(frame);
    this.#pump();
    this.#tellLoss();
  }

  #tellLoss() {
    if (!this.#outbox.lostSpeech) return;
    this.#outbox.lostSpeech = false;
    this.onspeechlost?.();
  }

  #pump() {
    clearTimeout(this.#pumping);
    if (this.#phase !== "ready" || !this.#socket?.open) return;
    if (this.#stalled()) {
      this.#letGo();
      return;
    }
    this.#outbox.pump(this.#socket);
    if (this.#outbox.waiting > 0) this.#pumping = setTimeout(() => this.#pump(), PUMP_MS);
  }

  /** Detects a dead network: a message that only fills buffers on its way seems to be sent. */
  #expect() {
    const socket = this.#socket;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      if (this.#phase === "ready" && this.#resume && this.#socket === socket) this.#letGo();
    }, HEARD_MS);
  }

  #letGo() {
    this.#socket.drop();
    this.#onClose({ code: 1006, timedOut: false });
  }

  #stalled() {
    const now = performance.now();
    const buffered = this.#socket.bufferedAmount;
    const moved = this.#outbox.bytesSent - buffered;
    if (buffered === 0 || moved > this.#moved) this.#movedAt = now;
    this.#moved = moved;
    return now - this.#movedAt > STALLED_MS;
  }
}

function parsed(text) {
  try {
    const event = JSON.parse(text);
    return typeof event?.type === "string" ? event : null;
  } catch {
    return null;
  }
}
