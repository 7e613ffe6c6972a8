// What the assistant wants to do and may not before the person allows it.

import { find, isWriting, setText, show } from "../helpers/dom.js";
import { t } from "../helpers/strings.js";

const GUARD_MS = 500; // a tap or key that was meant for what stood here before decides nothing

export class ApprovalPanel {
  #root;
  #call;
  #parts = {};
  #shown = null; // the call of a function that is asked about
  #since = 0;
  #before = null; // what had the focus

  /** @param {HTMLElement} root  @param {object} call a Call */
  constructor(root, call) {
    this.#root = root;
    this.#call = call;
    for (const name of ["title", "about", "arguments", "more", "remember", "approve", "decline"]) {
      this.#parts[name] = find(`[data-approval-${name}]`, root);
    }
    this.#parts.approve.addEventListener("click", () => this.#decide(true));
    this.#parts.decline.addEventListener("click", () => this.#decide(false));
    root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation(); // it would hang up
      this.#decide(false);
    });
  }

  /** Ask about what waits, the oldest first. */
  show() {
    const [first = null, ...more] = this.#call.waiting;
    setText(this.#parts.more, more.length > 0 ? t("approval_more", { n: more.length }) : "");
    if (first?.call_id === this.#shown?.call_id) return;
    if (first) this.#ask(first);
    else this.#close();
  }

  #ask(asked) {
    const { label, server, about } = asked;
    const title = t("approval_title", { name: server ? `${label} · ${server}` : label });
    if (!this.#shown) this.#before = document.activeElement;
    this.#shown = asked;
    this.#since = performance.now();
    setText(this.#parts.title, title);
    setText(this.#parts.about, about);
    this.#parts.arguments.replaceChildren(...argumentsOf(asked.arguments));
    show(this.#parts.arguments, this.#parts.arguments.childElementCount > 0);
    this.#parts.remember.checked = false;
    show(this.#root, true);
    const writing = isWriting(this.#before);
    // Who writes goes on writing; everybody else stands before the question, on neither answer.
    setText(find("[data-approval-announce]"), writing ? `${title} ${t("approval_how")}` : "");
    if (!writing) this.#root.focus({ preventScroll: true });
  }

  #close() {
    const held = this.#root.contains(document.activeElement);
    this.#shown = null;
    show(this.#root, false);
    setText(find("[data-approval-announce]"), "");
    if (held && this.#before?.isConnected) this.#before.focus({ preventScroll: true });
  }

  #decide(approve) {
    if (!this.#shown || performance.now() - this.#since < GUARD_MS) return;
    this.#call.approve(this.#shown.call_id, approve, approve && this.#parts.remember.checked);
  }
}

/** Terms and what they are, for people; all of it when it is no object. */
function argumentsOf(json) {
  let given;
  try {
    given = JSON.parse(json || "{}");
  } catch {
    given = null;
  }
  if (given === null || typeof given !== "object") given = { "": json };
  return Object.entries(given).map(([name, value]) => {
    const pair = document.createElement("div");
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    term.dir = text.dir = "auto";
    text.textContent = typeof value === "string" ? value : JSON.stringify(value, null, 1);
    pair.append(...(name ? [term] : []), text);
    return pair;
  });
}
