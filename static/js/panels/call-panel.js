// The user interface of a call. It only uses the Call's API, not its sockets or audio.

import { describeEnd } from "../call/end-reasons.js";
import { find, isWriting, setIcon, setText, show } from "../helpers/dom.js";
import { remember, remembered } from "../helpers/storage.js";
import { has, t } from "../helpers/strings.js";
import { clock } from "../helpers/time.js";
import { keepAwake } from "../helpers/wake-lock.js";
import { CallFiles } from "./call-files.js";
import { connectCallKeys, connectHold } from "./call-keys.js";
import { watchPastes } from "./composer.js";
import { CostPanel, sumOf } from "./cost-panel.js";
import { LevelMeter } from "./level-meter.js";
import { toast } from "./toasts.js";
import { showWords } from "./words.js";

const TICK_MS = 250;
const NOTICE_MS = 6000;
const ANNOUNCE_AFTER_MS = 400; // shorter states are not announced to screen readers
const NARROW = matchMedia("(width < 40rem)");
const TOUCH = matchMedia("(pointer: coarse)");

export class CallPanel {
  ontypeinstead = null; // ()
  onretry = null; // () inside the user gesture
  onclose = null; // (focused) the panel was closed; `focused`: it contained the focus
  onoptions = null; // () the person wants to open the call options
  #root;
  #call;
  #parts;
  #timer = null;
  #noticeTimer;
  #cost;
  #noticeCode = "";
  #announceTimer;
  #explained = ""; // the end reason that is shown
  /** The attachments of the next message typed into the call. */
  files;

  /** @param {HTMLElement} root  @param {object} call a Call */
  constructor(root, call) {
    this.#root = root;
    this.#call = call;
    const parts = partsOf(root);
    this.#parts = parts;
    this.#cost = new CostPanel(parts.cost, find("[data-cost]"), call.costs);
    new LevelMeter(parts.strings, () => call.levels);
    const onclick = (part, action) => part.addEventListener("click", action);
    onclick(parts.mute, () => call.toggleMute());
    onclick(parts.stop, () => call.stopSpeaking());
    onclick(parts["hang-up"], () => call.hangUp());
    onclick(parts.turns, () => this.#nextMode());
    onclick(parts.discard, () => call.discard());
    onclick(parts.wake, () => call.wake());
    onclick(parts.options, () => this.onoptions?.());
    onclick(parts.keyboard, () => this.#toggleTyping());
    onclick(parts.resize, () => this.#resize(this.form === "full" ? "docked" : "full"));
    onclick(parts.retry, () => this.onretry?.());
    onclick(parts.dismiss, () => this.close());
    onclick(parts["type-instead"], () => this.#typeInstead());
    // After an interruption, phones resume audio only inside a user gesture. Any tap will do.
    onclick(parts.notice, () => show(parts.notice, false));
    parts["type-form"].addEventListener("submit", (event) => this.#onType(event));
    watchPastes(parts["type-text"], (text) => this.notice(text));
    this.files = new CallFiles(root, call, (text) => this.notice(text));
    this.files.onready = () => call.say("", this.files.tray.take(), { answer: call.state !== "hearing" });
    this.files.tray.onchange = () => this.files.settle();
    connectHold(parts.hold, call);
    connectCallKeys(root, call, {
      warn: () => this.notice(t("escape_again")),
      dismiss: () => this.close(),
    });
    NARROW.addEventListener("change", () => this.#holdBack());
  }

  get root() {
    return this.#root;
  }

  /** Whether files that are dropped or pasted now are for the call. */
  get takesFiles() {
    const over = this.form === "full" || this.#root.hasAttribute("data-here");
    return !this.#root.hidden && over && this.#root.dataset.mode === "voice" && this.files.open;
  }

  get form() {
    return this.#root.dataset.form;
  }

  /** Open for a spoken call that is about to begin. */
  open({ title, href }) {
    setText(this.#parts.title, title);
    this.#parts.title.href = href;
    setText(this.#parts.model, "");
    setText(this.#parts["caption-user"], "");
    setText(this.#parts["caption-assistant"], "");
    this.#root.dataset.mode = "voice";
    delete this.#root.dataset.typing;
    show(this.#root, true);
    this.#resize(NARROW.matches ? "full" : (remembered("form") ?? "docked"), { keep: false });
  }

  /** A call begins, or begins again: hide the reason why the last one ended. */
  begin() {
    this.#explained = "";
    show(this.#parts.error, false);
    if (this.#call.options.mode === "text") {
      this.close();
      return;
    }
    this.#root.focus({ preventScroll: true });
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  /** Show the names of the model and its provider. */
  ready({ model, provider }) {
    const names = [model?.name, provider?.name].filter(Boolean);
    setText(this.#parts.model, names.join(" · "));
  }

  /** Set whether the page shows the call's conversation. */
  setHere(here) {
    this.#root.toggleAttribute("data-here", here);
  }

  /** Another page is in the document. Unless it is the call's own, dock a panel that covers it. */
  arrived(here) {
    this.setHere(here);
    if (here || this.form !== "full") this.#holdBack();
    else this.#resize("docked", { keep: false });
  }

  retitle(title) {
    setText(this.#parts.title, title);
  }

  /** Update everything to the call's state. */
  show() {
    this.files.show();
    const { state, muted, mode, held, answering, live, away, options } = this.#call;
    keepAwake(live && options.mode === "voice");
    const parts = this.#parts;
    const words = this.#stateWords();
    this.#root.dataset.state = state;
    parts.strings.dataset.state = state;
    this.#root.dataset.turns = mode;
    this.#root.toggleAttribute("data-muted", muted);
    setText(parts.status, words);
    setText(parts["state-large"], words);
    parts.mute.setAttribute("aria-pressed", String(muted));
    setText(parts["mute-label"], t(muted ? "unmute" : "mute"));
    parts.mute.title = t(muted ? "unmute" : "mute");
    setIcon(find("svg", parts.mute), muted ? "mic-off" : "mic");
    parts.mute.disabled = !live;
    this.#showTurns();
    const paused = state === "paused";
    show(parts.hold, live && !paused && mode !== "free" && !muted);
    parts.hold.toggleAttribute("data-held", held);
    parts.hold.setAttribute("aria-pressed", String(held));
    setText(parts["hold-label"], t(held ? `release_${mode}` : mode));
    show(parts.discard, held && mode === "tap");
    show(parts.paused, paused);
    setText(parts["paused-text"], paused ? t(`paused_${away ?? "device"}`) : "");
    parts.stop.disabled = !answering;
    if (!muted && this.#noticeCode === "muted_talking") show(parts.notice, false);
    this.#announce(words);
  }

  /** Show what the call costs. */
  showCost() {
    this.#cost.show();
  }

  /** Show a caption in the panel. */
  caption({ role, status }, captions) {
    const latest = captions.latest(role);
    const part = this.#parts[role === "user" ? "caption-user" : "caption-assistant"];
    showWords(part, latest ?? { text: "", kind: "typed" });
    if (latest) part.dataset.status = latest.status;
    if (status !== "removed") this.#follow(part);
  }

  /** Scroll to the word that is being spoken, else to the end. */
  #follow(part) {
    const { captions } = this.#parts;
    const now = part.querySelector(".words__now");
    captions.scrollTop = now ? now.offsetTop - captions.offsetTop - captions.clientHeight / 2 : captions.scrollHeight;
  }

  /** Show a short notice for a while. */
  notice(text, code = "") {
    if (!text) return;
    this.#noticeCode = code;
    this.#parts.notice.dataset.code = code;
    setText(this.#parts.notice, text);
    show(this.#parts.notice, true);
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(() => show(this.#parts.notice, false), NOTICE_MS);
  }

  /** Show why the call ended, or just close after a normal end. `mode` is that of this call. */
  ended({ reason, message, remedy, durationMs, mode }) {
    const end = describeEnd(reason);
    const words = wordsOf(reason, message, remedy);
    // The page itself shows that the call runs in another tab, and offers to take it back.
    const moved = reason === "taken_over";
    show(this.#parts.notice, false);
    this.#cost.close();
    if (moved) this.#leave(mode, words.title);
    else if (end.tone === "quiet") this.#leave(mode, this.#goodbye(durationMs));
    else {
      this.#explained = reason;
      this.#explain(end, words, mode);
    }
  }

  /** Close the explanation of this end reason, which no longer applies. */
  takeBack(reason) {
    if (this.#explained === reason) this.close();
  }

  #leave(mode, words) {
    // When a text call is replaced by a spoken one, the panel is already the new call's.
    if (mode !== this.#root.dataset.mode) return;
    if (mode === "voice" && words) toast(words);
    this.close();
  }

  #explain(end, words, mode) {
    const parts = this.#parts;
    this.#stopTimer();
    this.#root.dataset.mode = mode;
    this.#root.dataset.state = "ended";
    parts.error.dataset.tone = end.tone;
    setText(parts["error-title"], words.title);
    setText(parts["error-text"], words.text);
    setText(parts["error-remedy"], words.remedy);
    show(parts.retry, end.retry);
    show(parts["type-instead"], end.type && mode === "voice");
    show(parts["sign-in"], end.signIn ?? false);
    show(parts.leave, end.leave ?? false);
    parts["sign-in"].href = `${this.#root.dataset.loginUrl}?next=${encodeURIComponent(location.pathname)}`;
    if (mode === "text") this.#resize("docked", { keep: false });
    show(this.#root, true);
    show(parts.error, true);
    // A person who is typing would press the focused button by accident.
    if (mode === "text" && isWriting(document.activeElement)) return;
    find("button:not([hidden]), a:not([hidden])", parts.error)?.focus({ preventScroll: true });
  }

  /** The text after a normal end; empty if the call lasted less than a second. */
  #goodbye(durationMs) {
    if (durationMs < 1000) return "";
    const { costs } = this.#call;
    const duration = clock(durationMs);
    if (costs.free) return t("call_ended_free", { duration });
    const sum = costs.turns.length > 0 ? sumOf(costs) : "";
    return t(sum ? "call_ended_cost" : "call_ended", { duration, sum });
  }

  /** Hide the panel and make the page usable again. */
  close() {
    if (this.#root.hidden) return;
    const focused = this.#root.contains(document.activeElement) || document.activeElement === document.body;
    this.#stopTimer();
    show(this.#root, false);
    this.#holdBack();
    this.onclose?.(focused);
  }

  /** Announce something to screen readers only. */
  say(text) {
    setText(this.#parts.announce, text);
  }

  #stateWords() {
    const { state, mode, muted, changing, away } = this.#call;
    if (changing) return t("state_changing");
    if (state === "listening" && mode !== "free" && !muted) return t(mode);
    if (state === "paused" && away === "microphone") return t("state_no_microphone");
    return t(`state_${state}`);
  }

  #announce(words) {
    clearTimeout(this.#announceTimer);
    if (this.#root.hidden) return;
    this.#announceTimer = setTimeout(() => this.say(words), ANNOUNCE_AFTER_MS);
  }

  #stopTimer() {
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #tick() {
    const { elapsedMs, answering } = this.#call;
    setText(this.#parts.timer, clock(elapsedMs));
    this.#parts.stop.disabled = !answering;
  }

  #nextMode() {
    const { choice } = this.#call.options;
    choice.nextMode();
    this.#showTurns();
    const touch = TOUCH.matches && choice.mode !== "free" ? "_touch" : "";
    this.notice(t(`turns_are_${choice.mode}${touch}`), "turns");
  }

  #showTurns() {
    const { live, options, mode } = this.#call;
    const name = t(`turns_${mode}`);
    this.#parts.turns.disabled = !live || (options?.choice?.turns.length ?? 0) < 2;
    setText(this.#parts["turns-label"], name);
    this.#parts.turns.title = t("turns_title", { mode: name });
    this.#parts.turns.setAttribute("aria-label", this.#parts.turns.title);
  }

  #toggleTyping() {
    const on = this.#root.toggleAttribute("data-typing");
    this.#parts.keyboard.setAttribute("aria-expanded", String(on));
    if (on) this.#parts["type-text"].focus();
  }

  #onType(event) {
    event.preventDefault();
    const text = this.#parts["type-text"].value.trim();
    const { tray } = this.files;
    if (tray.busy) this.notice(t("attach_still"));
    if (tray.busy || (text === "" && !tray.ready)) return;
    this.#parts["type-text"].value = "";
    this.#call.say(text, tray.take());
  }

  #typeInstead() {
    this.close();
    this.ontypeinstead?.();
  }

  #resize(form, { keep = true } = {}) {
    this.#root.dataset.form = form;
    const full = form === "full";
    const label = t(full ? "shrink" : "expand");
    setIcon(find("svg", this.#parts.resize), full ? "shrink" : "expand");
    this.#parts.resize.setAttribute("aria-label", label);
    this.#parts.resize.title = label;
    if (keep && !NARROW.matches) remember("form", form);
    this.#holdBack();
  }

  /** Make the page inert while the panel covers it. */
  #holdBack() {
    const covers = !this.#root.hidden && this.form === "full";
    const main = find("#main");
    if (main) main.inert = covers;
    const sidebar = find("#sidebar");
    if (sidebar) sidebar.inert = covers && NARROW.matches;
  }
}

/** The server's message, its first sentence as the title; without one, the page's own text. */
function wordsOf(reason, message, remedy) {
  if (message) {
    const [, title, text] = /^(.*?[.!?。！？](?=\s|$)|.*?[。！？]|.+$)\s*(.*)$/su.exec(message);
    return { title, text, remedy };
  }
  const key = has(`end_${reason}_title`) ? reason : "internal_error";
  return { title: t(`end_${key}_title`), text: t(`end_${key}_text`), remedy: t(`end_${key}_remedy`) };
}

function partsOf(root) {
  const parts = {};
  for (const name of [
    "status", "title", "model", "timer", "cost", "options", "resize", "strings", "state-large", "captions",
    "notice", "error", "error-title", "error-text", "error-remedy", "retry", "sign-in", "leave",
    "type-instead", "dismiss", "hold", "hold-label", "discard", "paused", "paused-text", "wake",
    "type-form", "type-text", "mute", "mute-label", "turns", "turns-label", "stop", "keyboard",
    "hang-up",
  ]) {
    parts[name] = find(`[data-call-${name}]`, root);
  }
  parts.announce = find("[data-call-announce]"); // outside the panel: works while that is hidden
  parts["caption-user"] = find("[data-caption-user]", root);
  parts["caption-assistant"] = find("[data-caption-assistant]", root);
  return parts;
}
