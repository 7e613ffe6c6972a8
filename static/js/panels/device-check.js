// Choosing and testing the microphone and the speaker.

import { audioContext, canChooseSpeaker, chooseDevice, chosenDevice, leaveAudio, listDevices, microphoneWanted, routeToSpeaker, useAudio } from "../audio/context.js";
import { reasonForMicrophone } from "../call/end-reasons.js";
import { find, setText, show } from "../helpers/dom.js";
import { t } from "../helpers/strings.js";

const SHOWN_ENDS = ["mic_blocked", "mic_absent", "mic_busy", "mic_failed"];
const FULL_RMS = 0.25; // full scale: a voice close to the microphone

export class DeviceCheck {
  #root;
  #call;
  #level;
  #check;
  #stream = null; // the test's own stream; a call has another
  #source = null;
  #analyser = null;
  #frame = 0;
  #stops = 0; // counts stops, to detect one while the microphone was being opened
  #onDevices = () => this.#list();

  constructor(root, call) {
    this.#root = root;
    this.#call = call;
    this.#level = find("[data-level]", root);
    this.#check = find("[data-check-microphone]", root);
    for (const kind of ["microphone", "speaker"]) {
      const select = find(`[data-device="${kind}"]`, root);
      select.addEventListener("change", () => this.#choose(kind, select.value));
    }
    this.#check.addEventListener("click", () => (this.#stream ? this.#stop() : this.#begin()));
    find("[data-check-speaker]", root).addEventListener("click", () => this.#play());
  }

  open() {
    navigator.mediaDevices?.addEventListener?.("devicechange", this.#onDevices);
    setText(find("[data-device-note]", this.#root), "");
    show(this.#check, !this.#inCall);
    this.#list();
    this.#draw();
  }

  close() {
    navigator.mediaDevices?.removeEventListener?.("devicechange", this.#onDevices);
    cancelAnimationFrame(this.#frame);
    this.#stop();
  }

  get #inCall() {
    return this.#call.live && this.#call.options.mode === "voice";
  }

  async #list() {
    const { microphones, speakers } = await listDevices();
    this.#fill("microphone", microphones);
    this.#fill("speaker", speakers);
    show(find("[data-speaker-field]", this.#root), canChooseSpeaker() && speakers.length > 0);
  }

  #fill(kind, devices) {
    const select = find(`[data-device="${kind}"]`, this.#root);
    const options = [{ id: "", label: t("device_usual") }, ...devices].map(({ id, label }) => {
      const option = document.createElement("option");
      option.value = id;
      option.textContent = label;
      return option;
    });
    select.replaceChildren(...options);
    const wanted = chosenDevice(kind);
    select.value = devices.some(({ id }) => id === wanted) ? wanted : "";
  }

  #choose(kind, id) {
    chooseDevice(kind, id);
    if (kind === "speaker") routeToSpeaker(audioContext());
    else if (this.#inCall) this.#call.changeMicrophone();
    else if (this.#stream) this.#begin();
  }

  async #begin() {
    this.#stop();
    const mine = this.#stops;
    const context = useAudio(this);
    let stream = null;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { ...microphoneWanted(), channelCount: 1 } });
    } catch (problem) {
      if (mine !== this.#stops) return;
      const reason = reasonForMicrophone(problem);
      const known = SHOWN_ENDS.includes(reason) ? reason : "mic_failed";
      setText(find("[data-device-note]", this.#root), `${t(`end_${known}_title`)} ${t(`end_${known}_remedy`)}`);
      return;
    }
    if (mine !== this.#stops) {
      // Stopped while the permission prompt was open.
      for (const track of stream.getTracks()) track.stop();
      return;
    }
    this.#stream = stream;
    setText(find("[data-device-note]", this.#root), t("check_speak"));
    setText(find("[data-check-label]", this.#root), t("check_stop"));
    this.#source = context.createMediaStreamSource(this.#stream);
    this.#analyser = new AnalyserNode(context, { fftSize: 1024 });
    this.#source.connect(this.#analyser);
    // With microphone access granted, the devices have labels.
    this.#list();
  }

  #stop() {
    this.#stops += 1;
    this.#source?.disconnect();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = this.#source = this.#analyser = null;
    leaveAudio(this);
    setText(find("[data-check-label]", this.#root), t("check_microphone"));
  }

  #draw() {
    this.#level.value = Math.min(1, this.#loudness() / FULL_RMS);
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #loudness() {
    if (!this.#analyser) return this.#call.levels.user;
    const samples = new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
  }

  #play() {
    const context = audioContext();
    routeToSpeaker(context);
    const gain = new GainNode(context, { gain: 0 });
    gain.connect(context.destination);
    const start = context.currentTime + 0.05;
    for (const [at, frequency] of [[0, 523.25], [0.18, 659.25]]) {
      const tone = new OscillatorNode(context, { frequency });
      tone.connect(gain);
      tone.start(start + at);
      tone.stop(start + at + 0.18);
    }
    gain.gain.setTargetAtTime(0.2, start, 0.02);
    gain.gain.setTargetAtTime(0, start + 0.3, 0.04);
  }
}
