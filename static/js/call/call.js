// One call: its connection, sound and captions, and the state they share.

import { Captions } from "./captions.js";
import { leaveAudio, switchOnSound } from "../audio/context.js";
import { Applied } from "./choice.js";
import { Costs } from "./costs.js";
import { timeZone } from "../helpers/strings.js";
import { CallLink } from "./link.js";
import { CallState, isActive, isLive, Responses } from "./state.js";
import { creation, itemOf, newMessage, Written } from "./written.js";

const THINKING_MS = 25_000; // a turn without a response must not show "thinking" for ever
const QUIET_ERRORS = [
  "response_cancel_not_active",
  "input_audio_buffer_commit_empty",
  "conversation_already_has_active_response",
  "item_not_found", // an item of the call that this one replaced
  "not_waiting", // already decided, or too late
];
const SILENT = { user: 0, assistant: 0 };

/**
 * The page's call; at most one at a time. Events: `state`, `caption` (Caption), `saved`, `left` (a
 * `nextvoice.saved` of the call that this one replaced), `over` (that call has ended), `title`,
 * `cost`, `waiting`, `ready`, `notice` ({code, message}), `unsent` (a Said that the server did not
 * receive, last one first) and `ended` ({reason, message, remedy, durationMs}).
 */
export class Call extends EventTarget {
  captions = new Captions();
  costs = new Costs();
  options = null;
  /** The server's id of the call, set when it is ready. */
  callId = "";
  #worklets;
  #state = new CallState((name) => this.#onState(name));
  #sound = null; // null in a text call
  #responses = new Responses();
  #whole = false; // the last response was completed
  #link = null;
  #dialed = null; // {url, link} of a call that is about to begin
  #attempt = 0; // incremented to invalidate an asynchronous start that is still under way
  #readyAt = null;
  #applied = new Applied(); // the choices that the running call knows
  #changing = false; // reconnecting to apply changed choices, not after a lost connection
  #thinkingTimer;
  #written = new Written();
  #waiting = new Map(); // `nextvoice.tool` events that await approval, by call_id

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

  /** Whether a push-to-talk turn is in progress. */
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

  /** Whether the call is reconnecting because the changed choices need a new call. */
  get changing() {
    return this.#changing && this.state === "reconnecting";
  }

  /** The changed choice that needs a new call: "model" or "voice", else null. */
  get pending() {
    if (!this.live || this.state === "reconnecting") return null;
    return this.#applied.pending(this.options);
  }

  /** The current levels of both sides, RMS, 0 to 1. */
  get levels() {
    return this.active ? (this.#sound?.levels ?? SILENT) : SILENT;
  }

  /** Whether there is an answer to stop: one that is being generated or played. */
  get answering() {
    return this.#responses.making || (this.#sound?.pending ?? false);
  }

  /** Milliseconds since the call was first ready. */
  get elapsedMs() {
    return this.#readyAt === null ? 0 : performance.now() - this.#readyAt;
  }

  /** Function calls that await the person's approval, oldest first. @returns {object[]} */
  get waiting() {
    return [...this.#waiting.values()];
  }

  /** Counters for tests. */
  get counters() {
    const sent = this.#link?.counters ?? { framesSent: 0, framesDropped: 0 };
    const heard = this.#sound?.counters ?? { samplesRendered: 0, peakRendered: 0, itemsHeard: 0 };
    return { state: this.state, ...sent, ...heard };
  }

  /** A call is about to begin: open its line meanwhile. Whatever comes of that, `undial`. */
  dial(url) {
    this.undial();
    this.#dialed = { url, link: new CallLink(url, () => this.#startFields()) };
  }

  /** Close a line that no call came to need. */
  undial() {
    this.#dialed?.link.close();
    this.#dialed = null;
  }

  /**
   * Start a call. A spoken call must be started inside a user gesture.
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

  /** Start again with the same options. Call inside a user gesture. */
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

  /** Stop the answer, whether it is being generated or played. */
  stopSpeaking() {
    this.#cancelResponse();
    this.#sound?.silence();
    this.#state.apply("playback_cut");
    this.#state.apply("response_ended");
  }

  /** Approve or decline a waiting function; `remember`: for the rest of the call. */
  approve(callId, approve, remember = false) {
    if (!this.#waiting.delete(callId)) return;
    this.#send({ type: "nextvoice.approve", call_id: callId, approve, remember });
    this.#emit("waiting");
  }

  /** Try to get the audio back after an interruption. Call inside a user gesture. */
  wake() {
    this.#sound?.wake();
  }

  /**
   * Send typed text and files, and request an answer unless `answer` is false. A message that the
   * server does not receive comes back as an `unsent` event.
   * @param {string} text  @param {object[]} attachments uploaded, as the server returned them
   * @param {{answer?: boolean}} options
   */
  say(text, attachments = [], { answer = true } = {}) {
    const said = { text, attachments, answer };
    if (!this.active) {
      this.#emit("unsent", said);
      return;
    }
    // There is no connection either while one call is being replaced by another.
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

  /** Take back the messages that wait for a connection, in order. @returns {object[]} Said */
  withdraw() {
    return this.#written.due();
  }

  /** The push-to-talk button is pressed: a turn begins. */
  press() {
    if (this.live && this.state !== "paused") this.#sound?.press();
  }

  /** The button is released: the turn is sent. */
  release() {
    this.#sound?.release();
  }

  /** The tap-to-talk button: begin a turn, or send it. */
  tap() {
    if (this.held || (this.live && this.state !== "paused")) this.#sound?.tap();
  }

  /** Discard the push-to-talk turn that is in progress. */
  discard() {
    this.#sound?.discard();
  }

  /** Apply changed choices to the running call, as far as that is possible without a new one. */
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

  /** Replace this call by a new one with the current choices. The audio stays open. */
  async reconnect() {
    if (!this.live) return;
    const attempt = ++this.#attempt;
    this.release();
    const left = this.#leave();
    this.#breakOff();
    this.#forgetWaiting();
    this.#changing = true;
    this.#state.apply("lost");
    // The new call gets this one's history, so that has to be stored first.
    await left;
    if (attempt !== this.#attempt) return;
    this.#sound?.reportTo();
    this.#sound?.follow(this.options.choice);
    this.#newLink().begin();
  }

  /** Switch to the microphone that is chosen now. */
  changeMicrophone() {
    if (this.live) this.#sound?.changeMicrophone();
  }

  /** Resolves with null, or with the reason why there is no audio. */
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
    // While paused, the reason can change between "device" and "microphone".
    this.#emit("state", { name: this.state });
  }

  #newLink() {
    const { url } = this.options;
    if (this.#dialed?.url !== url) this.dial(url);
    const { link } = this.#dialed;
    this.#dialed = null;
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
    // For questions about the time, which mean the person's time zone.
    const client = { time_zone: timeZone(), beats: true };
    return { ...this.#applied.begin(this.options), turn_detection: turns, client };
  }

  #take(event) {
    // From the call that this one replaced; its items may have the same ids as ours.
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
    // The provider refuses a truncation that comes too late, which does no harm.
    if (QUIET_ERRORS.includes(code) || /truncat|audio_end_ms/i.test(`${code} ${message}`)) return;
    this.#emit("notice", { code, message });
  }

  /** Remove the caption of a message that is not in the call after all. */
  #takeOut(id) {
    this.captions.take({ type: "conversation.item.deleted", item_id: id });
  }

  #onEnded(event) {
    this.#end(event.reason, event);
  }

  /** Reset what was in progress: the provider's session or the call itself is being replaced. */
  #breakOff({ cuts = true } = {}) {
    this.#sound?.unheard();
    this.#responses.end();
    if (cuts) this.#sound?.cut();
    this.captions.closeOpen();
  }

  /** The connection or the audio is back: derive the current state. */
  #goOn(event) {
    this.#state.apply(event);
    if (this.away) this.#state.apply("pause");
    else if (this.#sound?.speaking) this.#state.apply("playback_started");
    else if (this.#responses.making) this.#state.apply("response_started");
    else if (this.#sound?.hearing || this.held) this.#state.apply("speech_started");
  }

  /** Hang up and detach the link. Resolves when the server has stored the last messages. */
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
    // After a hang-up on an open connection, everything sent before still arrives.
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
