// Where a message is typed and a call is begun.

import { find, setText, show } from "../helpers/dom.js";

export class Composer {
  onsend = null; // (text)
  ontalk = null; // () inside the tap
  onoptions = null; // ()
  #form;
  #text;
  #send;
  #status;
  #talk;

  constructor(root) {
    this.#form = find("[data-composer]", root);
    this.#text = find("[data-composer-text]", root);
    this.#send = find("[data-composer-send]", root);
    this.#status = find("[data-composer-status]", root);
    this.#talk = find("[data-start-call]", root);
    this.#text.addEventListener("input", () => this.#fit());
    this.#text.addEventListener("keydown", (event) => this.#onKey(event));
    this.#talk.addEventListener("click", () => this.ontalk?.());
    find("[data-open-options]", root).addEventListener("click", () => this.onoptions?.());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#fit();
  }

  /** Say what is going on; an empty text says nothing. */
  status(text) {
    setText(this.#status, text);
    show(this.#status, text !== "");
  }

  /** Give words back that could not be sent. */
  restore(text) {
    this.#text.value = text;
    this.#fit();
  }

  focusText() {
    this.#text.focus();
  }

  focusTalk() {
    this.#talk.focus();
  }

  #submit() {
    const text = this.#text.value.trim();
    if (text === "") return;
    this.#text.value = "";
    this.#fit();
    this.onsend?.(text);
  }

  #onKey(event) {
    // While an input method composes (Chinese, Japanese), Enter belongs to it.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#submit();
  }

  #fit() {
    this.#send.disabled = this.#text.value.trim() === "";
    if (CSS.supports("field-sizing", "content")) return;
    this.#text.style.blockSize = "auto";
    this.#text.style.blockSize = `${this.#text.scrollHeight}px`;
  }
}
