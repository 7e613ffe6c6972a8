// One message of the thread, its tool card, and the player of its recording.

import { find, findAll, fromTemplate, setText } from "../helpers/dom.js";
import { nodesOf } from "../helpers/html.js";
import { t } from "../helpers/strings.js";
import { clock, showTimes, soundLength } from "../helpers/time.js";
import { showAttachments } from "./attachments.js";
import { toast } from "./toasts.js";
import { showFormatted, showWords } from "./words.js";

// The server's HTML of Markdown answers: {html, of: the text that it was made from}.
const formatted = new WeakMap();

/** A new message element for a caption of the call with the id `call`. */
export function makeMessage(caption, call) {
  const element = fromTemplate("message-template");
  element.dataset.itemId = caption.id;
  element.dataset.callId = call;
  element.dataset.fresh = "";
  find("[data-clock]", element).dateTime = caption.created ?? new Date().toISOString();
  showTimes(element);
  connectMessage(element);
  return element;
}

/** Update an element to a caption. */
export function showCaption(element, caption) {
  const { role, kind, status, unheard = "" } = caption;
  Object.assign(element.dataset, { role, kind, status });
  setText(find("[data-message-who]", element), t(role === "user" ? "who_user" : "who_assistant"));
  const words = find("[data-message-text]", element);
  const { html, of = "" } = formatted.get(element) ?? {};
  // The server has formatted the first part of a Markdown answer; the rest is shown as plain text.
  if (html && kind === "typed" && caption.text.startsWith(of)) showFormatted(words, html, caption.text.slice(of.length));
  else showWords(words, caption);
  showAttachments(element, caption.attachments);
  setText(find("[data-message-unheard]", element), unheard);
}

/** Update an element to its stored message. @param {object} saved `nextvoice.saved` */
export function showSaved(element, saved) {
  const { message_id: id, recording, text, html, card, unheard, status, position, attachments } = saved;
  element.dataset.message = id ?? "";
  if (position !== undefined) element.dataset.position = String(position);
  if (html) formatted.set(element, { html, of: text });
  // A row stored while in progress is older than the deltas received since.
  if (status && status !== "in_progress") {
    element.dataset.status = status;
    const words = find("[data-message-text]", element);
    // While an answer is played, its caption is shown word by word.
    if (html) showFormatted(words, html);
    else if (typeof text === "string" && !find(".words__now", words)) showWords(words, { text, kind: "typed" });
    if (typeof unheard === "string") setText(find("[data-message-unheard]", element), unheard);
  }
  showAttachments(element, attachments);
  showCard(element, card);
  if (recording?.url) showPlayer(element, recording);
  if (recording) find("[data-message-partial]", element).hidden = !recording.partial;
}

/** Update an element to the stored message of a call in another tab. */
export function showStored(element, saved) {
  const { role, kind, status, text, html, unheard = "" } = saved;
  Object.assign(element.dataset, { role, kind, status });
  setText(find("[data-message-who]", element), t(role === "user" ? "who_user" : "who_assistant"));
  const words = find("[data-message-text]", element);
  if (html) showFormatted(words, html);
  else showWords(words, { text, kind: "typed" });
  setText(find("[data-message-unheard]", element), unheard);
  showSaved(element, saved);
}

/** Connect the buttons of a message. */
export function connectMessage(element) {
  find("[data-message-copy]", element)?.addEventListener("click", () => copy(element));
  const player = find("[data-player]", element);
  if (player) new RecordingPlayer(player);
}

function showPlayer(element, { url, duration_ms: durationMs }) {
  const place = find("[data-message-player]", element);
  if (find("audio", place)?.getAttribute("src") === url) return;
  const player = fromTemplate("player-template");
  find("audio", player).src = url;
  find("[data-player-time]", player).dataset.durationMs = String(durationMs ?? 0);
  place.replaceChildren(player);
  new RecordingPlayer(player);
}

async function copy(element) {
  try {
    await navigator.clipboard.write([new ClipboardItem(copyOf(element))]);
    toast(t("copied"));
  } catch {
    toast(t("copy_failed"));
  }
}

/** What to copy of a message: Markdown as source and as HTML, otherwise its text. */
function copyOf(element) {
  const words = find("[data-tool-result]", element) ?? find("[data-message-text]", element);
  const whole = "html" in words.dataset && !find("[data-rest]", words);
  const text = (whole && (formatted.get(element)?.of ?? words.dataset.source)) || words.innerText;
  const looks = whole ? { "text/html": new Blob([words.innerHTML], { type: "text/html" }) } : {};
  return { "text/plain": new Blob([text], { type: "text/plain" }), ...looks };
}

// The card of a function call, rendered by the server.

const TICK_MS = 1000;
const SLOW_S = 2; // no time is shown below this
const began = new WeakMap(); // when a card was first seen running, in ms

/**
 * Show the card in a message. If the reader has expanded it, it stays expanded and keeps the focus.
 * @param {Element} message  @param {string|null|undefined} html of `nextvoice.saved`'s `card`
 */
function showCard(message, html) {
  if (!html) return;
  const place = find("[data-message-card]", message);
  const made = nodesOf(html);
  const known = find("[data-tool]", place);
  if (!known) {
    place.replaceChildren(made);
    return;
  }
  const fresh = find("[data-tool]", made);
  known.dataset.state = fresh.dataset.state;
  for (const part of ["[data-tool-head]", "[data-tool-more]"]) {
    find(part, known).replaceChildren(...find(part, fresh).childNodes);
  }
  showTime(known);
  find("[data-tool-result]", place)?.remove();
  const result = find("[data-tool-result]", made);
  if (result) place.append(result);
}

/** Show how long a function has been running. */
function showTime(card) {
  if (card.dataset.state !== "in_progress") return;
  if (!began.has(card)) began.set(card, performance.now());
  const seconds = Math.round((performance.now() - began.get(card)) / 1000);
  if (seconds >= SLOW_S) setText(find("[data-tool-time]", card), t("tool_seconds", { n: seconds }));
}

setInterval(() => findAll("[data-tool][data-state=in_progress]").forEach(showTime), TICK_MS);

// The compact player of one recording. Only one plays at a time.

const SPEEDS = [1, 1.5, 2];
const STEP_MS = 5000; // step of the arrow keys on the slider

let playing = null; // the audio element that is playing
let speed = 1; // shared by all players of the page

class RecordingPlayer {
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
      // Pausing while it loads also rejects play(), which is not a failure.
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

/** Stop the recording that is playing, for example because a call begins. */
export function stopRecordings() {
  playing?.pause();
  playing = null;
}

function showSpeed(button) {
  button.textContent = `${speed}×`;
  button.setAttribute("aria-label", t("speed", { speed: `${speed}×` }));
}
