// Where a message is typed and a call is begun.

import { find, isComposing, setText, show } from "../helpers/dom.js";
import { joined } from "../helpers/storage.js";
import { language, t } from "../helpers/strings.js";
import { AttachmentTray } from "./attachments.js";
import { connectPicker } from "./file-input.js";
import { toast } from "./toasts.js";

export class Composer {
  onsend = null; // (text, attachments)
  ontalk = null; // () inside the tap; resolves when that is heeded
  onoptions = null; // ()
  onstop = null; // () the answer is to end
  ondraft = null; // (text) what stands in the box now
  #form;
  #text;
  #send;
  #status;
  #talk;
  #stop;
  #waiting = false; // to be sent when the files are there
  #failed = 0; // files that had failed when that was asked for
  tray;

  /** @param {ParentNode} root  @param {() => object} place as AttachmentTray wants it */
  constructor(root, place) {
    this.#form = find("[data-composer]", root);
    this.#text = find("[data-composer-text]", root);
    this.#send = find("[data-composer-send]", root);
    this.#status = find("[data-composer-status]", root);
    this.#talk = find("[data-start-call]", root);
    this.#stop = find("[data-composer-stop]", root);
    this.#text.addEventListener("input", () => this.#edited());
    this.#text.addEventListener("keydown", (event) => this.#onKey(event));
    watchPastes(this.#text, toast);
    this.#talk.addEventListener("click", () => this.#onTalk());
    this.#stop.addEventListener("click", () => {
      this.onstop?.();
      this.focusText();
    });
    find("[data-open-options]", root).addEventListener("click", () => this.onoptions?.());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.tray = new AttachmentTray(this.#form, place);
    this.tray.onchange = () => this.#onFiles();
    connectPicker(this.#form, (files) => this.add(files));
    this.#fit();
  }

  /** Take files for the next message. */
  add(files) {
    this.tray.add(files);
    this.#text.focus();
  }

  /** Say what is going on; an empty text says nothing. */
  status(text) {
    setText(this.#status, text);
    show(this.#status, text !== "");
  }

  /** Say whether an answer is being written, which can be stopped. */
  answering(on) {
    show(this.#stop, on);
  }

  /** Show what was typed here before, unless the browser has. */
  begin(draft) {
    this.#text.value ||= draft;
    this.#fit();
  }

  /** Give back what could not be sent, before what was typed since. */
  restore(text, attachments = []) {
    this.#text.value = joined(text, this.#text.value);
    this.tray.restore(attachments);
    this.#edited();
  }

  /** Whether there is nothing to be sent, neither words nor files. */
  get empty() {
    return this.#text.value.trim() === "" && !this.tray.ready && !this.tray.busy;
  }

  focusText() {
    this.#text.focus();
  }

  focusTalk() {
    this.#talk.focus();
  }

  /** Send what stands here, as soon as its files are there. Returns whether there is anything. */
  send() {
    if (this.empty) return false;
    const text = this.#text.value.trim();
    this.#waiting = this.tray.busy;
    if (this.#waiting) {
      this.#failed = this.tray.failed;
      this.status(t("attach_waiting"));
      return true;
    }
    this.#text.value = "";
    const attachments = this.tray.take();
    this.#edited();
    this.onsend?.(text, attachments);
    return true;
  }

  /** One tap begins one call, however long that takes on a slow line. */
  async #onTalk() {
    if (this.#talk.hasAttribute("aria-busy")) return;
    this.#talk.setAttribute("aria-busy", "true");
    try {
      await this.ontalk?.();
    } finally {
      this.#talk.removeAttribute("aria-busy");
    }
  }

  #edited() {
    this.#fit();
    this.ondraft?.(this.#text.value);
  }

  #onFiles() {
    this.#fit();
    if (!this.#waiting || this.tray.busy) return;
    this.#waiting = false;
    this.status("");
    // One that failed is for the person to see first.
    if (this.tray.failed <= this.#failed) this.send();
  }

  #onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    this.send();
  }

  #fit() {
    this.#send.disabled = this.empty;
    if (CSS.supports("field-sizing", "content")) return;
    this.#text.style.blockSize = "auto";
    this.#text.style.blockSize = `${this.#text.scrollHeight}px`;
  }
}

// A field takes so many characters and no more: browsers cut what is pasted, without a word.

/**
 * Say so when what is pasted does not fit.
 * @param {HTMLInputElement|HTMLTextAreaElement} field with a `maxlength`
 * @param {(text: string) => void} tell
 */
export function watchPastes(field, tell) {
  field.addEventListener("paste", ({ clipboardData }) => {
    const { value, selectionStart, selectionEnd, maxLength } = field;
    const pasted = (clipboardData?.getData("text/plain") ?? "").replaceAll("\r\n", "\n");
    const room = maxLength - value.length + (selectionEnd - selectionStart);
    if (pasted.length > room) tell(t("paste_cut", { most: maxLength.toLocaleString(language()) }));
  });
}
