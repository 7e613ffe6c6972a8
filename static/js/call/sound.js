// The audio of one spoken call, with turn-taking, interruptions and coughs.

import { BargeIn, Coughs } from "./barge-in.js";
import { Turns } from "./turns.js";
import { VoiceLine } from "./voice-line.js";

/**
 * Records and plays for a call. `call` is what it needs of it: `live`, `answering`, `send(event)`,
 * `sendAudio(frame)`, `apply(stateEvent)`, `stopSpeaking()`, `notice(code)`, `lost(reason)` when
 * the microphone is lost for good, and `away("device"|"microphone"|null)`.
 */
export class Sound {
  #call;
  #captions;
  #line;
  #turns;
  #bargeIn; // decides whether a sound is an interruption
  #coughs; // handles sounds that are not
  #heardBefore = 0; // items heard before the current call or session began

  /**
   * @param {{capture: string, player: string}} worklets addresses of the worklet modules
   * @param {{choice: object, rawMicrophone?: boolean}} options of the call
   * @param {object} captions gets what was heard of each answer  @param {object} call
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

  /** Why there is no audio: "device", "microphone" or null. */
  get away() {
    return this.#line.away;
  }

  get levels() {
    return this.#line.levels;
  }

  get counters() {
    return this.#line.counters;
  }

  /** Whether the server detects speech. */
  get hearing() {
    return this.#line.gate.heard;
  }

  /** Whether an answer is being played. */
  get speaking() {
    return this.#line.playback.speaking;
  }

  /** Whether audio of an answer is playing or queued. */
  get pending() {
    return this.#line.playback.pending;
  }

  /** Whether anything was heard since the call began, or was started anew. */
  get spoke() {
    return this.counters.itemsHeard > this.#heardBefore;
  }

  /** Open everything, inside a user gesture. Resolves with null, or with the reason why not. */
  open() {
    return this.#line.open();
  }

  /** A call is started, or started anew: its model has not spoken yet. */
  begin() {
    this.#heardBefore = this.counters.itemsHeard;
  }

  /** Release everything. */
  close() {
    this.#bargeIn.reset();
    this.cut();
    this.#line.close();
  }

  /** Whether the provider transcribes the person's speech. */
  set written(written) {
    this.#coughs.written = written;
  }

  /** Set where reports of what was heard are sent; by default to the call. */
  reportTo(send = this.#call.send) {
    this.#line.playback.send = send;
  }

  /** Apply the chosen turn-taking. Returns a function to call when the server has been told. */
  follow(choice) {
    // An answer can resume after a sound only if the provider does not interrupt it itself.
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

  /** Stop playback and forget any barge-in under way. */
  silence() {
    const cut = this.cut();
    this.#bargeIn.reset();
    return cut;
  }

  /** Cut the answer that is playing. Resolves when the server and the captions know where. */
  async cut() {
    if (!this.pending) return;
    for (const { id, fraction } of await this.#line.cut()) this.#captions.interrupt(id, fraction);
  }

  /** The provider no longer detects speech: it has ended, or the session is lost. */
  unheard() {
    this.#line.gate.heard = false;
    this.#bargeIn.stopped();
  }

  /** Process `nextvoice.audio`; `unwanted` if its response was cancelled. */
  announce(event, unwanted) {
    const { playback } = this.#line;
    playback.begin(event);
    if (unwanted && playback.refuse(event.item_id)) this.#captions.interrupt(event.item_id, 0);
  }

  play(id, pcm) {
    this.#line.playback.play(id, pcm);
  }

  /** The response is done: no more audio comes for any of its items. */
  endAll() {
    this.#line.playback.endAll();
  }

  /** A response begins. Returns whether it responds to a cough and is thus unwanted. */
  answersCough() {
    return this.#coughs.isAnswered();
  }

  /** Process a server event about audio; `answering`: a response is in progress. */
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
    // A sound that may be a cough only pauses the answer.
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
