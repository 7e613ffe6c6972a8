// The sound of one spoken call, and what a person does with it: turns, interruptions, coughs.

import { BargeIn, Coughs } from "./barge-in.js";
import { Turns } from "./turns.js";
import { VoiceLine } from "./voice-line.js";

/**
 * Hears and speaks for a call. `call` is what it needs of it: `live`, `answering`,
 * `send(event)`, `sendAudio(frame)`, `apply(stateEvent)`, `stopSpeaking()`, `notice(code)`,
 * `lost(reason)` there will be no microphone, and `away("device"|"microphone"|null)`.
 */
export class Sound {
  #call;
  #captions;
  #line;
  #turns;
  #bargeIn; // whether a sound is an interruption
  #coughs; // what was none
  #heardBefore = 0; // answers heard in the calls that this one took over from

  /**
   * @param {{capture: string, player: string}} worklets addresses of the worklet modules
   * @param {{choice: object, rawMicrophone?: boolean}} options of the call
   * @param {object} captions told what was heard of each answer  @param {object} call
   */
  constructor(worklets, { choice, rawMicrophone: raw }, captions, call) {
    this.#call = call;
    this.#captions = captions;
    this.#line = new VoiceLine(worklets, { raw });
    const interrupt = () => call.answering && call.stopSpeaking();
    const { send, sendAudio, apply } = call;
    this.#turns = new Turns(this.#line.gate, choice.mode, { send, sendAudio, apply, interrupt });
    this.#bargeIn = this.#newBargeIn();
    this.#coughs = new Coughs(this.#bargeIn, { send, interrupt });
    this.follow(choice);
    this.#listen();
  }

  get mode() {
    return this.#turns.mode;
  }

  get held() {
    return this.#turns.held;
  }

  /** Why there is no sound: "device", "microphone" or null. */
  get away() {
    return this.#line.away;
  }

  get levels() {
    return this.#line.levels;
  }

  get counters() {
    return this.#line.counters;
  }

  /** Whether the server hears the person. */
  get hearing() {
    return this.#line.gate.heard;
  }

  /** Whether an answer is heard now. */
  get speaking() {
    return this.#line.playback.speaking;
  }

  /** Whether sound of an answer is heard or waiting to be. */
  get pending() {
    return this.#line.playback.pending;
  }

  /** Whether anything was heard since the call began, or began anew. */
  get spoke() {
    return this.counters.itemsHeard > this.#heardBefore;
  }

  /** Open everything, inside a tap. Resolves with null, or with the reason why not. */
  open() {
    return this.#line.open();
  }

  /** The provider's call begins, or begins anew: it has not said anything yet. */
  begin() {
    this.#heardBefore = this.counters.itemsHeard;
  }

  /** Let go of everything. */
  close() {
    this.#bargeIn.reset();
    this.cut();
    this.#line.close();
  }

  /** Whether the provider writes down what the person says. */
  set written(written) {
    this.#coughs.written = written;
  }

  /** Where the account of what was heard goes; the call as it is then, unless told otherwise. */
  reportTo(send = this.#call.send) {
    this.#line.playback.send = send;
  }

  /** Take turns as chosen. Returns what is to be called when the server knows of it. */
  follow(choice) {
    // Only where the provider leaves it to us can an answer go on after a sound.
    const ours = choice.session.audio?.input?.turn_detection?.interrupt_response === false;
    this.#bargeIn.holdMs = ours ? choice.pauseMs : 0;
    return this.#turns.change(choice.mode);
  }

  mute(muted) {
    this.#turns.mute(muted);
  }

  press() {
    this.#turns.press();
  }

  release() {
    this.#turns.release();
  }

  tap() {
    this.#turns.tap();
  }

  discard() {
    this.#turns.discard();
  }

  wake() {
    this.#line.wake();
  }

  changeMicrophone() {
    this.#line.changeMicrophone();
  }

  /** Fall silent, whatever is heard. */
  silence() {
    const cut = this.cut();
    this.#bargeIn.reset();
    return cut;
  }

  /** Cut the answer that is heard. Resolves when the server and the captions know where. */
  async cut() {
    if (!this.pending) return;
    for (const { id, fraction } of await this.#line.cut()) this.#captions.interrupt(id, fraction);
  }

  /** The provider hears nobody any more: it stopped, or is gone. */
  unheard() {
    this.#line.gate.heard = false;
    this.#bargeIn.stopped();
  }

  /** Whose sound follows; `unwanted` when that answer was refused. */
  announce(event, unwanted) {
    const { playback } = this.#line;
    playback.begin(event);
    if (unwanted && playback.refuse(event.item_id)) this.#captions.interrupt(event.item_id, 0);
  }

  play(id, pcm) {
    this.#line.playback.play(id, pcm);
  }

  /** The answer is complete: no item of it goes on. */
  endAll() {
    this.#line.playback.endAll();
  }

  /** An answer begins. Returns whether it is one to a cough, which nobody wants. */
  answersCough() {
    return this.#coughs.isAnswered();
  }

  /** Take in what the server says about sound; `answering` whether an answer is being made. */
  take(event, answering) {
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        return this.#onSpeech(event.item_id);
      case "input_audio_buffer.speech_stopped":
        this.unheard();
        return this.#call.apply("speech_stopped");
      case "input_audio_buffer.committed":
        return this.#coughs.committed(event.item_id, answering);
      case "conversation.item.input_audio_transcription.completed":
        return this.#coughs.transcribed(event.item_id, event.transcript);
      case "conversation.item.input_audio_transcription.failed":
        return this.#coughs.transcribed(event.item_id, "");
      case "response.output_audio.done":
        return this.#line.playback.end(event.item_id);
    }
  }

  #listen() {
    const line = this.#line;
    const call = this.#call;
    line.onframe = (frame) => call.live && call.sendAudio(frame);
    line.onvoice = (heard) => (heard === "voice" ? this.#bargeIn.voice() : this.#bargeIn.quiet());
    line.onnotice = (code) => call.live && call.notice(code);
    line.onlost = (reason) => call.lost(reason);
    line.onaway = (away) => this.#onAway(away);
    const { playback } = line;
    this.reportTo();
    playback.onheard = (id, fraction) =>
      fraction === 1 ? this.#captions.heardAll(id) : this.#captions.hear(id, fraction);
    playback.onstarted = () => call.apply("playback_started");
    playback.onstopped = () => call.apply("playback_ended");
  }

  #newBargeIn() {
    const line = this.#line;
    const call = this.#call;
    return new BargeIn({
      get pending() {
        return call.answering;
      },
      pause: () => line.playback.pause(true),
      resume: () => line.playback.pause(false),
      sounding: () => line.sounding,
      cut: () => {
        call.stopSpeaking();
        call.apply("speech_started");
      },
    });
  }

  #onSpeech(itemId) {
    this.#line.gate.heard = true;
    // What may be a cough only pauses the answer.
    if (this.#bargeIn.started(itemId)) return;
    this.cut();
    this.#call.apply("speech_started");
  }

  #onAway(away) {
    this.#line.playback.pause(away !== null);
    this.#bargeIn.reset();
    if (away !== null && this.#call.live) this.#turns.close();
    this.#call.away(away);
  }
}
