// The compact player of one recording. Only one plays at a time.

import { find } from "../helpers/dom.js";
import { t } from "../helpers/strings.js";
import { clock, soundLength } from "../helpers/time.js";
import { toast } from "./toasts.js";

const SPEEDS = [1, 1.5, 2];
const STEP_MS = 5000; // of the arrow keys with the slider in focus

let playing = null; // the audio element that is heard
let speed = 1; // one choice for all players of the page

export class RecordingPlayer {
  #root;
  #audio;
  #seek;
  #durationMs;

  constructor(root) {
    this.#root = root;
    this.#audio = find("[data-player-audio]", root);
    this.#seek = find("[data-player-seek]", root);
    this.#durationMs = Number(find("[data-player-time]", root).dataset.durationMs);
    find("[data-player-toggle]", root).addEventListener("click", () => this.toggle());
    find("[data-player-speed]", root).addEventListener("click", () => this.#nextSpeed());
    this.#seek.addEventListener("input", () => this.#seekTo(Number(this.#seek.value)));
    this.#seek.addEventListener("keydown", (event) => this.#onKey(event));
    for (const name of ["play", "pause", "ended", "timeupdate", "durationchange", "seeked"]) {
      this.#audio.addEventListener(name, () => this.#show());
    }
    this.#audio.addEventListener("error", () => this.#onError());
    this.#show();
  }

  toggle() {
    if (!this.#audio.paused) {
      this.#audio.pause();
      return;
    }
    stopRecordings();
    playing = this.#audio;
    this.#audio.playbackRate = speed;
    this.#audio.preservesPitch = true;
    this.#audio.play().catch((problem) => {
      // Pausing while it loads rejects too, and is no failure.
      if (problem.name !== "AbortError" && !this.#audio.error) toast(t("play_failed"));
    });
  }

  #seekTo(milliseconds) {
    this.#audio.currentTime = milliseconds / 1000;
    this.#show(milliseconds);
  }

  #onKey(event) {
    const step = { ArrowRight: STEP_MS, ArrowUp: STEP_MS, ArrowLeft: -STEP_MS, ArrowDown: -STEP_MS }[event.key];
    if (event.key === " ") {
      event.preventDefault();
      this.toggle();
    } else if (step) {
      event.preventDefault();
      const mirrored = getComputedStyle(this.#root).direction === "rtl" && /Left|Right/.test(event.key);
      const target = this.#audio.currentTime * 1000 + (mirrored ? -step : step);
      this.#seekTo(Math.max(0, Math.min(this.#total, target)));
    }
  }

  #nextSpeed() {
    speed = SPEEDS[(SPEEDS.indexOf(speed) + 1) % SPEEDS.length];
    if (playing) playing.playbackRate = speed;
    for (const button of document.querySelectorAll("[data-player-speed]")) showSpeed(button);
  }

  get #total() {
    const known = this.#audio.duration * 1000;
    return Number.isFinite(known) && known > 0 ? known : this.#durationMs;
  }

  #show(atMs = this.#audio.currentTime * 1000) {
    const going = !this.#audio.paused && !this.#audio.ended;
    const begun = going || atMs > 0;
    const elapsed = clock(atMs);
    const duration = soundLength(this.#total);
    this.#root.toggleAttribute("data-playing", going);
    find("[data-player-toggle]", this.#root).setAttribute("aria-label", t(going ? "pause" : "play"));
    this.#seek.max = String(Math.round(this.#total));
    this.#seek.value = String(Math.round(atMs));
    this.#seek.style.setProperty("--at", `${this.#total ? (100 * atMs) / this.#total : 0}%`);
    this.#seek.setAttribute("aria-valuetext", t("seek_value", { elapsed, duration }));
    find("[data-player-time]", this.#root).textContent = begun ? elapsed : duration;
    showSpeed(find("[data-player-speed]", this.#root));
  }

  #onError() {
    if (playing === this.#audio) toast(t("play_failed"));
    this.#show();
  }
}

/** Stop whatever recording is heard, for example because a call begins. */
export function stopRecordings() {
  playing?.pause();
  playing = null;
}

function showSpeed(button) {
  button.textContent = `${speed}×`;
  button.setAttribute("aria-label", t("speed", { speed: `${speed}×` }));
}
