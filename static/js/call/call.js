// One call: the line, the sound and the captions, and the state they share.

import { Captions } from "./captions.js";
import { leaveAudio, switchOnSound } from "../audio/context.js";
import { Applied } from "./choice.js";
import { Costs } from "./costs.js";
import { CallLink } from "./link.js";
import { CallState, isActive, isLive, Responses } from "./state.js";
import { creation, itemOf, newMessage, Written } from "./written.js";

const THINKING_MS = 25_000; // a turn that nobody answers must not look like work for ever
const QUIET_ERRORS = [
  "response_cancel_not_active",
  "input_audio_buffer_commit_empty",
  "conversation_already_has_active_response",
  "item_not_found", // of a call that a new one took over from
  "not_waiting", // decided already, or too late
];
const SILENT = { user: 0, assistant: 0 };

/**
 * The call of this page; at most one at a time. Events: `state`, `caption` (Caption), `saved`,
 * `left` (what is stored of a call that this one took over from), `over` (that call is), `title`,
 * `cost`, `waiting`, `ready`, `notice` ({code, message}), `unsent` (a Said that the server did not
 * get, the last one first) and `ended` ({reason, message, remedy, durationMs}).
 */
export class Call extends EventTarget {
  captions = new Captions();
  costs = new Costs();
  options = null;
  /** The server's id of the call, once it is ready. */
  callId = "";
  #worklets;
  #state = new CallState((name) => this.#onState(name));
  #sound = null; // null in a written call
  #responses = new Responses();
  #whole = false; // the answer that was made last came to its end
  #link = null;
  #attempt = 0; // changes whenever what was begun no longer counts
  #readyAt = null;
  #applied = new Applied(); // of the person's choices
  #changing = false; // begun anew for the person's choices, not for a lost line
  #thinkingTimer;
  #written = new Written();
  #waiting = new Map(); // `nextvoice.tool` by call_id, of what the person is asked about

  /** @param {{capture: string, player: string}} worklets addresses of the worklet modules */
  constructor(worklets) {
    super();
    this.#worklets = worklets;
  }

  get state() {
    return this.#state.name;
  }

  get muted() {
    return this.#state.muted;
  }

  /** How the person takes turns: "free", "hold" or "tap". */
  get mode() {
    return this.#sound?.mode ?? "free";
  }

  /** Whether a turn by hand is being spoken. */
  get held() {
    return this.#sound?.held ?? false;
  }

  /** Why the call is paused: "device", "microphone" or null. */
  get away() {
    return this.#sound?.away ?? null;
  }

  get live() {
    return isLive(this.state);
  }

  get active() {
    return isActive(this.state);
  }

  /** Whether the line is away because the person's choices ask for a new call. */
  get changing() {
    return this.#changing && this.state === "reconnecting";
  }

  /** What was chosen but needs a new call: "model" or "voice", else null. */
  get pending() {
    if (!this.live || this.state === "reconnecting") return null;
    return this.#applied.pending(this.options);
  }

  /** How loud both sides are now, 0 to 1. */
  get levels() {
    return this.active ? (this.#sound?.levels ?? SILENT) : SILENT;
  }

  /** Whether there is anything to stop: an answer that is being made or heard. */
  get answering() {
    return this.#responses.making || (this.#sound?.pending ?? false);
  }

  /** Milliseconds since the call was first ready. */
  get elapsedMs() {
    return this.#readyAt === null ? 0 : performance.now() - this.#readyAt;
  }

  /** Functions that wait for the person to allow them, oldest first. @returns {object[]} */
  get waiting() {
    return [...this.#waiting.values()];
  }

  /** What tests may see. */
  get counters() {
    const sent = this.#link?.counters ?? { framesSent: 0, framesDropped: 0 };
    const heard = this.#sound?.counters ?? { samplesRendered: 0, peakRendered: 0, itemsHeard: 0 };
    return { state: this.state, ...sent, ...heard };
  }

  /**
   * Begin. A spoken call must be begun inside the person's tap.
   * @param {object} options
   * @param {string} options.conversation id  @param {string} options.url of the socket
   * @param {"voice"|"text"} options.mode
   * @param {object} options.choice a CallChoice  @param {boolean} [options.rawMicrophone]
   */
  async start(options) {
    this.hangUp();
    const attempt = ++this.#attempt;
    this.options = options;
    this.captions = new Captions((item) => this.#emit("caption", item));
    this.#sound = this.#readyAt = null;
    this.#responses.end();
    this.#changing = false;
    this.#forgetWaiting();
    this.#applied.clear();
    this.costs.clear();
    this.#emit("cost");
    this.#state.apply("start");
    const link = this.#newLink();
    const reason = options.mode === "voice" ? await this.#openSound(attempt) : null;
    if (attempt !== this.#attempt) return;
    if (reason) {
      this.#end(reason);
      return;
    }
    this.#state.apply("checked");
    link.begin();
  }

  /** Begin again as before. Call inside a tap. */
  retry() {
    return this.start(this.options);
  }

  /** End the call from this side. */
  hangUp() {
    if (!this.active) return;
    this.#leave();
    this.#end("hang_up");
  }

  toggleMute() {
    if (!this.live || !this.#sound) return;
    this.#sound.mute(!this.muted);
    const changed = this.#state.apply(this.muted ? "unmute" : "mute");
    if (!changed) this.#emit("state", { name: this.state });
  }

  /** Make the assistant fall silent, whatever it is doing. */
  stopSpeaking() {
    this.#cancelResponse();
    this.#sound?.silence();
    this.#state.apply("playback_cut");
    this.#state.apply("response_ended");
  }

  /** Say whether a function that waits may run, and whether that holds for the rest of the call. */
  approve(callId, approve, remember = false) {
    if (!this.#waiting.delete(callId)) return;
    this.#send({ type: "nextvoice.approve", call_id: callId, approve, remember });
    this.#emit("waiting");
  }

  /** The device took the sound away, or the microphone: try to have it again. Call inside a tap. */
  wake() {
    this.#sound?.wake();
  }

  /**
   * Put typed words and files into the call, and ask for an answer unless told not to. Comes back
   * as `unsent` when the server does not get it.
   * @param {string} text  @param {object[]} attachments uploaded, as the server showed them
   * @param {{answer?: boolean}} options
   */
  say(text, attachments = [], { answer = true } = {}) {
    const said = { text, attachments, answer };
    if (!this.active) {
      this.#emit("unsent", said);
      return;
    }
    // While one call makes room for another there is no line either.
    if (!this.live || !this.#link) {
      this.#written.wait(said);
      return;
    }
    if (answer && this.answering) this.stopSpeaking();
    const { item, shown } = newMessage(text, attachments);
    const previous = this.captions.items.at(-1)?.id;
    this.captions.take({ type: "conversation.item.added", item: shown, previous_item_id: previous });
    this.#written.send(item.id, said);
    this.#send(creation(item));
    if (answer) this.#send({ type: "response.create" });
  }

  /** Take back what waits for the line, first said first. @returns {object[]} Said */
  withdraw() {
    return this.#written.due();
  }

  /** A turn by hand begins: the button is held. */
  press() {
    if (this.live && this.state !== "paused") this.#sound?.press();
  }

  /** The button is let go: the turn is sent. */
  release() {
    this.#sound?.release();
  }

  /** Begin a turn by a tap, or send it. */
  tap() {
    if (this.held || (this.live && this.state !== "paused")) this.#sound?.tap();
  }

  /** Take back a turn that is being spoken by hand. */
  discard() {
    this.#sound?.discard();
  }

  /** Bring the running call to what is chosen now, as far as a running call can. */
  applyChoice() {
    if (!this.live) return;
    if (this.#applied.fits(this.options.choice)) {
      const changed = this.#sound?.follow(this.options.choice);
      const spoke = this.#responses.making || (this.#sound?.spoke ?? false);
      const part = this.#applied.update(this.options, { spoke });
      if (part) this.#send({ type: "session.update", session: { type: "realtime", ...part } });
      changed?.();
    }
    this.#emit("state", { name: this.state });
  }

  /** Begin a new call in the place of this one, with what is chosen now. The sound stays open. */
  async reconnect() {
    if (!this.live) return;
    const attempt = ++this.#attempt;
    this.release();
    const left = this.#leave();
    this.#breakOff();
    this.#forgetWaiting();
    this.#changing = true;
    this.#state.apply("lost");
    // The new call is told what was said in this one, once that is written down.
    await left;
    if (attempt !== this.#attempt) return;
    this.#sound?.reportTo();
    this.#sound?.follow(this.options.choice);
    this.#newLink().begin();
  }

  /** Listen through the microphone that is chosen now. */
  changeMicrophone() {
    if (this.live) this.#sound?.changeMicrophone();
  }

  /** Resolves with null, or with the reason why there is no sound. */
  async #openSound(attempt) {
    switchOnSound();
    const { Sound } = await import("./sound.js").catch(() => ({}));
    if (attempt !== this.#attempt) return null;
    if (!Sound) {
      leaveAudio(this);
      return "audio_failed";
    }
    this.#sound = new Sound(this.#worklets, this.options, this.captions, this.#forSound());
    return this.#sound.open();
  }

  #forSound() {
    const call = this;
    return {
      get live() {
        return call.live;
      },
      get answering() {
        return call.answering;
      },
      send: (event) => this.#send(event),
      sendAudio: (frame) => this.#link?.sendAudio(frame),
      apply: (event) => this.#state.apply(event),
      stopSpeaking: () => this.stopSpeaking(),
      notice: (code) => this.#emit("notice", { code }),
      lost: (reason) => this.active && this.#end(reason),
      away: (away) => this.#onAway(away),
    };
  }

  #onAway(away) {
    if (!this.live) return;
    if (away === null) {
      this.#goOn("unpause");
      return;
    }
    this.#state.apply("pause");
    // Which of the two it is may change while it lasts.
    this.#emit("state", { name: this.state });
  }

  #newLink() {
    const link = new CallLink(this.options.url, () => this.#startFields());
    link.onevent = (event) => this.#take(event);
    link.onaudio = (id, pcm) => this.#sound?.play(id, pcm);
    link.onlost = () => this.#state.apply("lost");
    link.onresumed = () => this.#goOn("resumed");
    link.onrestart = () => {
      this.#breakOff();
      this.#forgetWaiting();
    };
    link.onspeechlost = () => this.#emit("notice", { code: "speech_lost" });
    link.onfailed = (reason) => this.#end(reason);
    this.#link = link;
    return link;
  }

  #startFields() {
    this.#sound?.begin();
    const turns = this.#sound && this.mode === "free" ? "server_vad" : null;
    // What time it is, is asked where the person is.
    const client = { time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone };
    return { ...this.#applied.begin(this.options), turn_detection: turns, client };
  }

  #take(event) {
    // Of a call that this one took over from; its items may have the ids of ours.
    if (event.type === "nextvoice.saved" && event.call_id && event.call_id !== this.callId) {
      this.#emit("left", event);
      return;
    }
    if (this.costs.take(event)) this.#emit("cost");
    this.captions.take(event);
    this.#written.take(event);
    this.#sound?.take(event, this.#responses.making);
    switch (event.type) {
      case "nextvoice.ready":
        return this.#onReady(event);
      case "nextvoice.audio":
        return this.#sound?.announce(event, this.#responses.isUnwanted(event.response_id));
      case "nextvoice.saved":
        return this.#emit("saved", event);
      case "nextvoice.removed":
        return this.#emit("removed", event);
      case "nextvoice.title":
        return this.#emit("title", event);
      case "nextvoice.call":
        return this.#emit("over", event);
      case "nextvoice.tool":
        return this.#onTool(event);
      case "nextvoice.notice":
        return this.#emit("notice", event);
      case "nextvoice.ended":
        return this.#onEnded(event);
      case "nextvoice.reconnecting":
        this.#breakOff({ cuts: !this.#whole });
        return this.#state.apply("lost");
      case "nextvoice.reconnected":
        return this.#goOn("resumed");
      case "response.created":
        return this.#onResponse(event.response?.id ?? "");
      case "response.done":
        return this.#onResponseDone(event.response ?? {});
      case "error":
        return this.#onError(event.error);
    }
  }

  #onTool(event) {
    if (event.state === "awaiting_approval") this.#waiting.set(event.call_id, event);
    else if (!this.#waiting.delete(event.call_id)) return;
    this.#emit("waiting");
  }

  #forgetWaiting() {
    this.#waiting.clear();
    this.#emit("waiting");
  }

  #onResponse(id) {
    this.#responses.begin(id);
    this.#whole = false;
    if (this.#sound?.answersCough()) this.#cancelResponse();
    else this.#state.apply("response_started");
  }

  #cancelResponse() {
    if (this.#responses.refuse()) this.#send({ type: "response.cancel" });
  }

  #onReady(event) {
    this.#readyAt ??= performance.now();
    if (this.#sound) this.#sound.written = Boolean(event.session?.audio?.input?.transcription);
    this.#changing = false;
    this.callId = event.call_id;
    this.costs.begin(event.call_id);
    this.#state.apply("ready");
    if (this.away) this.#state.apply("pause");
    else if (this.held) this.#state.apply("speech_started");
    this.#emit("ready", event);
    for (const { text, attachments, answer } of this.#written.due()) this.say(text, attachments, { answer });
  }

  #onResponseDone({ id = "", status }) {
    if (!this.#responses.done(id)) return;
    this.#whole = status === "completed";
    this.#sound?.endAll();
    if (this.answering) return;
    this.captions.heardAll();
    this.#state.apply("response_ended");
  }

  #onError(error) {
    const { code = "error", message = "", event_id: about } = error ?? {};
    const refused = itemOf(about);
    if (refused) {
      this.#takeOut(refused);
      const said = this.#written.refused(refused);
      if (said) this.#emit("unsent", said);
    }
    // A truncation that comes too late is refused; the call is none the worse for it.
    if (QUIET_ERRORS.includes(code) || /truncat|audio_end_ms/i.test(`${code} ${message}`)) return;
    this.#emit("notice", { code, message });
  }

  /** A message of the person's is in the call no more. */
  #takeOut(id) {
    this.captions.take({ type: "conversation.item.deleted", item_id: id });
  }

  #onEnded(event) {
    this.#end(event.reason, event);
  }

  /** The provider, or the call itself, is new: what was under way there is over. */
  #breakOff({ cuts = true } = {}) {
    this.#sound?.unheard();
    this.#responses.end();
    if (cuts) this.#sound?.cut();
    this.captions.closeOpen();
  }

  /** The connection, or the sound, is back: show what is true now. */
  #goOn(event) {
    this.#state.apply(event);
    if (this.away) this.#state.apply("pause");
    else if (this.#sound?.speaking) this.#state.apply("playback_started");
    else if (this.#responses.making) this.#state.apply("response_started");
    else if (this.#sound?.hearing || this.held) this.#state.apply("speech_started");
  }

  /** Let go of the line, with a goodbye. Resolves when the server has stored the last words. */
  #leave() {
    const link = this.#link;
    if (!link) return Promise.resolve();
    const captions = this.captions;
    this.#link = null;
    link.onevent = (event) => {
      if (event.type === "nextvoice.saved") captions.take(event);
      this.#written.take(event);
      if (event.type === "nextvoice.saved") this.#emit("saved", event);
      if (event.type === "nextvoice.title") this.#emit("title", event);
    };
    this.#sound?.reportTo((event) => link.send(event));
    return link.leave(Promise.resolve(this.#sound?.cut()));
  }

  #end(reason, { message = "", remedy = "" } = {}) {
    const durationMs = this.elapsedMs;
    this.#attempt += 1;
    // Who hangs up says goodbye over a line that takes what was sent before, if there is a line.
    const unsent = this.#written.end({ arrives: reason === "hang_up" && this.state !== "reconnecting" });
    this.#responses.end();
    this.#sound?.close();
    this.#link?.close();
    this.#link = null;
    this.#forgetWaiting();
    if (reason !== "hang_up") this.captions.closeOpen();
    this.#state.apply("end", reason);
    for (const id of unsent.items) this.#takeOut(id);
    this.#emit("ended", { reason, message, remedy, durationMs });
    for (const said of unsent.said.reverse()) this.#emit("unsent", said);
  }

  #onState(name) {
    clearTimeout(this.#thinkingTimer);
    if (name === "thinking") {
      this.#thinkingTimer = setTimeout(() => {
        if (!this.answering) this.#state.apply("response_ended");
      }, THINKING_MS);
    }
    this.#emit("state", { name });
  }

  #send(event) {
    this.#link?.send(event);
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
