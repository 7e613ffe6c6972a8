// One call: the line, the sound and the captions, and the state they share.

import { Applied } from "./applied.js";
import { BargeIn } from "./barge-in.js";
import { Captions } from "./captions.js";
import { Costs } from "./costs.js";
import { Coughs } from "./coughs.js";
import { CallLink } from "./link.js";
import { CallState, isActive, isLive } from "./state.js";
import { Turns } from "./turns.js";
import { VoiceLine } from "./voice-line.js";

const THINKING_MS = 25_000; // a turn that nobody answers must not look like work for ever
const QUIET_ERRORS = [
  "response_cancel_not_active",
  "input_audio_buffer_commit_empty",
  "conversation_already_has_active_response",
  "item_not_found", // of a call that a new one took over from
];
const MESSAGE = "message_"; // event ids of messages, so that one that was refused can be taken back
const SILENT = { user: 0, assistant: 0 };

/**
 * The call of this page; at most one at a time. Events: `state`, `caption` (Caption), `saved`,
 * `title`, `cost`, `ready`, `notice` ({code, message}) and `ended` ({reason, message, remedy, durationMs}).
 */
export class Call extends EventTarget {
  captions = new Captions();
  costs = new Costs();
  options = null;
  /** The server's id of the call, once it is ready. */
  callId = "";
  #worklets;
  #state = new CallState((name) => this.#onState(name));
  #line = null; // the sound; null in a written call
  #turns = null; // of the person; null in a written call
  #bargeIn = null; // whether a sound is an interruption; null in a written call
  #coughs = null; // what was none; null in a written call
  #link = null;
  #attempt = 0; // changes whenever what was begun no longer counts
  #response = null; // id of the response that is being made
  #unwanted = new Set(); // ids of responses that were cancelled
  #readyAt = null;
  #hearing = false; // whether the server hears the person
  #heardBefore = 0; // answers heard in the calls that this one took over from
  #applied = new Applied(); // of the person's choices
  #changing = false; // begun anew for the person's choices, not for a lost line
  #thinkingTimer;
  #unsent = []; // typed before the connection was ready

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
    return this.#turns?.mode ?? "free";
  }

  /** Whether a turn by hand is being spoken. */
  get held() {
    return this.#turns?.held ?? false;
  }

  /** Why the call is paused: "device", "microphone" or null. */
  get away() {
    return this.#line?.away ?? null;
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
    return this.active ? (this.#line?.levels ?? SILENT) : SILENT;
  }

  /** Whether there is anything to stop: an answer that is being made or heard. */
  get answering() {
    return this.#response !== null || (this.#line?.playback.pending ?? false);
  }

  /** Milliseconds since the call was first ready. */
  get elapsedMs() {
    return this.#readyAt === null ? 0 : performance.now() - this.#readyAt;
  }

  /** What tests may see. */
  get counters() {
    const sent = this.#link?.counters ?? { framesSent: 0, framesDropped: 0 };
    const heard = this.#line?.counters ?? { samplesRendered: 0, peakRendered: 0, itemsHeard: 0 };
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
    if (options !== this.options) this.#unsent = [];
    this.options = options;
    this.captions = new Captions((item) => this.#emit("caption", item));
    this.#line = this.#turns = this.#bargeIn = this.#coughs = null;
    this.#readyAt = this.#response = null;
    this.#hearing = this.#changing = false;
    this.#applied.clear();
    this.costs.clear();
    this.#emit("cost");
    this.#state.apply("start");
    const reason = options.mode === "voice" ? await this.#openLine() : null;
    if (attempt !== this.#attempt) return;
    if (reason) {
      this.#end(reason);
      return;
    }
    this.#state.apply("checked");
    this.#connect();
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
    if (!this.live || !this.#line) return;
    this.#turns.mute(!this.muted);
    const changed = this.#state.apply(this.muted ? "unmute" : "mute");
    if (!changed) this.#emit("state", { name: this.state });
  }

  /** Make the assistant fall silent, whatever it is doing. */
  stopSpeaking() {
    this.#cancelResponse();
    this.#cutAnswer();
    this.#bargeIn?.reset();
    this.#state.apply("playback_cut");
    this.#state.apply("response_ended");
  }

  /** The device took the sound away, or the microphone: try to have it again. Call inside a tap. */
  wake() {
    this.#line?.wake();
  }

  /**
   * Put typed words and files into the call, and ask for an answer unless told not to.
   * @param {string} text  @param {object[]} attachments uploaded, as the server showed them
   * @param {{answer?: boolean}} options
   */
  say(text, attachments = [], { answer = true } = {}) {
    if (!this.live) {
      this.#unsent.push([text, attachments, { answer }]);
      return;
    }
    if (answer && this.answering) this.stopSpeaking();
    const item = {
      id: newItemId(),
      type: "message",
      role: "user",
      content: [
        ...(text ? [{ type: "input_text", text }] : []),
        ...attachments.map((one) => ({ type: "nextvoice.attachment", attachment_id: one.id })),
      ],
    };
    const previous = this.captions.items.at(-1)?.id;
    const shown = item.content.map((part) => {
      const attachment = attachments.find(({ id }) => id === part.attachment_id);
      return attachment ? { ...attachment, ...part } : part;
    });
    this.captions.take({ type: "conversation.item.added", item: { ...item, content: shown }, previous_item_id: previous });
    this.#send({ type: "conversation.item.create", event_id: `${MESSAGE}${item.id}`, item });
    if (answer) this.#send({ type: "response.create" });
  }

  /** A turn by hand begins: the button is held. */
  press() {
    if (this.live && this.state !== "paused") this.#turns?.press();
  }

  /** The button is let go: the turn is sent. */
  release() {
    this.#turns?.release();
  }

  /** Begin a turn by a tap, or send it. */
  tap() {
    if (this.held || (this.live && this.state !== "paused")) this.#turns?.tap();
  }

  /** Take back a turn that is being spoken by hand. */
  discard() {
    this.#turns?.discard();
  }

  /** Bring the running call to what is chosen now, as far as a running call can. */
  applyChoice() {
    if (!this.live) return;
    if (this.#applied.fits(this.options.choice)) {
      const changed = this.#followTurns();
      const part = this.#applied.update(this.options, { spoke: this.#spoke });
      if (part) this.#send({ type: "session.update", session: { type: "realtime", ...part } });
      changed();
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
    this.#changing = true;
    this.#state.apply("lost");
    // The new call is told what was said in this one, once that is written down.
    await left;
    if (attempt !== this.#attempt) return;
    if (this.#line) {
      this.#line.playback.send = (event) => this.#send(event);
      this.#followTurns();
    }
    this.#connect();
  }

  /** Listen through the microphone that is chosen now. */
  changeMicrophone() {
    if (this.live) this.#line?.changeMicrophone();
  }

  get #spoke() {
    return this.#response !== null || (this.#line?.counters.itemsHeard ?? 0) > this.#heardBefore;
  }

  #followTurns() {
    const { choice } = this.options;
    if (!this.#line) return () => {};
    // Only where the provider leaves it to us can an answer go on after a sound.
    const ours = choice.session.audio?.input?.turn_detection?.interrupt_response === false;
    this.#bargeIn.holdMs = ours ? choice.pauseMs : 0;
    return this.#turns.change(choice.mode);
  }

  async #openLine() {
    const { rawMicrophone: raw, choice } = this.options;
    const line = new VoiceLine(this.#worklets, { raw });
    this.#line = line;
    this.#turns = new Turns(line.gate, choice.mode, {
      send: (event) => this.#send(event),
      sendAudio: (frame) => this.#link?.sendAudio(frame),
      apply: (event) => this.#state.apply(event),
      interrupt: () => this.answering && this.stopSpeaking(),
    });
    this.#bargeIn = this.#newBargeIn(line);
    this.#coughs = new Coughs(this.#bargeIn, {
      send: (event) => this.#send(event),
      interrupt: () => this.answering && this.stopSpeaking(),
    });
    this.#followTurns();
    line.onframe = (frame) => this.live && this.#link?.sendAudio(frame);
    line.onvoice = (heard) => (heard === "voice" ? this.#bargeIn.voice() : this.#bargeIn.quiet());
    line.onnotice = (code) => this.live && this.#emit("notice", { code });
    line.onlost = (reason) => this.active && this.#end(reason);
    line.onaway = (away) => this.#onAway(away);
    line.playback.send = (event) => this.#send(event);
    line.playback.onheard = (id, fraction) =>
      fraction === 1 ? this.captions.heardAll(id) : this.captions.hear(id, fraction);
    line.playback.onstarted = () => this.#state.apply("playback_started");
    line.playback.onstopped = () => this.#state.apply("playback_ended");
    return line.open();
  }

  #newBargeIn(line) {
    const call = this;
    return new BargeIn({
      get pending() {
        return call.answering;
      },
      pause: () => line.playback.pause(true),
      resume: () => line.playback.pause(false),
      sounding: () => line.sounding,
      cut: () => {
        this.stopSpeaking();
        this.#state.apply("speech_started");
      },
    });
  }

  #onAway(away) {
    this.#line.playback.pause(away !== null);
    this.#bargeIn.reset();
    if (!this.live) return;
    if (away === null) this.#goOn("unpause");
    else {
      this.#turns.close();
      this.#state.apply("pause");
      // Which of the two it is may change while it lasts.
      this.#emit("state", { name: this.state });
    }
  }

  #connect() {
    const link = new CallLink(this.options.url, () => this.#startFields());
    link.onevent = (event) => this.#take(event);
    link.onaudio = (id, pcm) => this.#line?.playback.play(id, pcm);
    link.onlost = () => this.#state.apply("lost");
    link.onresumed = () => this.#goOn("resumed");
    link.onrestart = () => this.#breakOff();
    link.onspeechlost = () => this.#emit("notice", { code: "speech_lost" });
    link.onfailed = (reason) => this.#end(reason);
    this.#link = link;
  }

  #startFields() {
    this.#heardBefore = this.#line?.counters.itemsHeard ?? 0;
    const turns = this.#line && this.mode === "free" ? "server_vad" : null;
    return { ...this.#applied.begin(this.options), turn_detection: turns };
  }

  #take(event) {
    if (this.costs.take(event)) this.#emit("cost");
    this.captions.take(event);
    switch (event.type) {
      case "nextvoice.ready":
        return this.#onReady(event);
      case "nextvoice.audio":
        return this.#onAudio(event);
      case "nextvoice.saved":
        return this.#emit("saved", event);
      case "nextvoice.removed":
        return this.#emit("removed", event);
      case "nextvoice.title":
        return this.#emit("title", event);
      case "nextvoice.notice":
        return this.#emit("notice", event);
      case "nextvoice.ended":
        return this.#onEnded(event);
      case "nextvoice.reconnecting":
        this.#breakOff();
        return this.#state.apply("lost");
      case "nextvoice.reconnected":
        return this.#goOn("resumed");
      case "input_audio_buffer.speech_started":
        return this.#onSpeech(event.item_id);
      case "input_audio_buffer.speech_stopped":
        this.#hears(false);
        this.#bargeIn?.stopped();
        return this.#state.apply("speech_stopped");
      case "input_audio_buffer.committed":
        return this.#coughs?.committed(event.item_id, this.#response !== null);
      case "conversation.item.input_audio_transcription.completed":
        return this.#coughs?.transcribed(event.item_id, event.transcript);
      case "conversation.item.input_audio_transcription.failed":
        return this.#coughs?.transcribed(event.item_id, "");
      case "response.created":
        return this.#onResponse(event.response?.id ?? "");
      case "response.output_audio.done":
        return this.#line?.playback.end(event.item_id);
      case "response.done":
        return this.#onResponseDone();
      case "error":
        return this.#onError(event.error);
    }
  }

  #onSpeech(itemId) {
    this.#hears(true);
    // What may be a cough only pauses the answer.
    if (this.#bargeIn?.started(itemId)) return;
    this.#cutAnswer();
    this.#state.apply("speech_started");
  }

  #onResponse(id) {
    this.#response = id;
    if (this.#coughs?.isAnswered()) this.#cancelResponse();
    else this.#state.apply("response_started");
  }

  #cancelResponse() {
    if (this.#response === null) return;
    this.#send({ type: "response.cancel" });
    this.#unwanted.add(this.#response);
    this.#response = null;
  }

  #onAudio(event) {
    const playback = this.#line?.playback;
    // What was on its way when it was cancelled.
    if (this.#unwanted.has(event.response_id)) playback?.refuse(event.item_id);
    playback?.begin(event);
  }

  #onReady(event) {
    this.#readyAt ??= performance.now();
    if (this.#coughs) this.#coughs.written = Boolean(event.session?.audio?.input?.transcription);
    this.#changing = false;
    this.callId = event.call_id;
    this.costs.begin(event.call_id);
    this.#state.apply("ready");
    if (this.away) this.#state.apply("pause");
    else if (this.held) this.#state.apply("speech_started");
    this.#emit("ready", event);
    for (const said of this.#unsent.splice(0)) this.say(...said);
  }

  #onResponseDone() {
    this.#response = null;
    this.#line?.playback.endAll();
    if (this.answering) return;
    this.captions.heardAll();
    this.#state.apply("response_ended");
  }

  #onError(error) {
    const { code = "error", message = "", event_id: about } = error ?? {};
    if (about?.startsWith(MESSAGE)) this.captions.take({ type: "conversation.item.deleted", item_id: about.slice(MESSAGE.length) });
    // A truncation that comes too late is refused; the call is none the worse for it.
    if (QUIET_ERRORS.includes(code) || /truncat|audio_end_ms/i.test(`${code} ${message}`)) return;
    this.#emit("notice", { code, message });
  }

  #onEnded(event) {
    this.#end(event.reason, event);
  }

  /** The provider, or the call itself, is new: what was under way there is over. */
  #breakOff() {
    this.#hears(false);
    this.#bargeIn?.stopped();
    this.#response = null;
    this.#cutAnswer();
    this.captions.closeOpen();
  }

  #hears(hearing) {
    this.#hearing = hearing;
    if (this.#line) this.#line.gate.heard = hearing;
  }

  /** The connection, or the sound, is back: show what is true now. */
  #goOn(event) {
    this.#state.apply(event);
    if (this.away) this.#state.apply("pause");
    else if (this.#line?.playback.speaking) this.#state.apply("playback_started");
    else if (this.#response !== null) this.#state.apply("response_started");
    else if (this.#hearing || this.held) this.#state.apply("speech_started");
  }

  #cutAnswer() {
    if (!this.#line?.playback.pending) return Promise.resolve();
    const captions = this.captions;
    return this.#line.cut().then((items) => {
      for (const { id, fraction } of items) captions.interrupt(id, fraction);
    });
  }

  /** Let go of the line, with a goodbye. Resolves when the server has stored the last words. */
  #leave() {
    const link = this.#link;
    if (!link) return Promise.resolve();
    const captions = this.captions;
    this.#link = null;
    link.onevent = (event) => {
      if (event.type === "nextvoice.saved") captions.take(event);
      if (event.type === "nextvoice.saved") this.#emit("saved", event);
      if (event.type === "nextvoice.title") this.#emit("title", event);
    };
    if (this.#line) this.#line.playback.send = (event) => link.send(event);
    return link.leave(this.#cutAnswer());
  }

  #end(reason, { message = "", remedy = "" } = {}) {
    const durationMs = this.elapsedMs;
    this.#attempt += 1;
    if (reason === "hang_up") this.#unsent = [];
    this.#response = null;
    this.#bargeIn?.reset();
    this.#cutAnswer();
    this.#line?.close();
    this.#link?.close();
    this.#link = null;
    if (reason !== "hang_up") this.captions.closeOpen();
    this.#state.apply("end", reason);
    this.#emit("ended", { reason, message, remedy, durationMs });
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

function newItemId() {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return `item_${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
