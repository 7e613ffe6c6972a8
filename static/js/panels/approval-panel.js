// Asks the person to approve or decline a function that the assistant wants to call.

import { find, isWriting, setText, show } from "../helpers/dom.js";
import { t } from "../helpers/strings.js";

const GUARD_MS = 500; // ignores a click or key that was meant for what was here before

export class ApprovalPanel {
  #root;
  #call;
  #parts = {};
  #shown = null; // the `nextvoice.tool` event that is being asked about
  #since = 0;
  #before = null; // the element that had the focus

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
      event.stopPropagation(); // otherwise Escape would hang up
      this.#decide(false);
    });
  }

  /** Ask about the oldest function that waits, or close. */
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
    // While the person types, the focus stays. Otherwise it moves to the panel, but to neither
    // button.
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

/** The JSON arguments as a list of names and values; the whole text if it is not an object. */
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
