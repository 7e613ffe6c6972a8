// The composer: where messages are typed and calls are started.

import { find, isComposing, setText, show } from "../helpers/dom.js";
import { joined } from "../helpers/storage.js";
import { language, t } from "../helpers/strings.js";
import { AttachmentTray } from "./attachments.js";
import { connectPicker } from "./file-input.js";
import { toast } from "./toasts.js";

export class Composer {
  onsend = null; // (text, attachments)
  ontalk = null; // () inside the user gesture; resolves when it has been handled
  onoptions = null; // ()
  onstop = null; // () the person wants to stop the answer
  ondraft = null; // (text) the text box has changed
  #form;
  #text;
  #send;
  #status;
  #talk;
  #stop;
  #waiting = false; // send when the uploads are complete
  #failed = 0; // how many uploads had failed when that was requested
  tray;

  /** @param {ParentNode} root  @param {() => object} place see AttachmentTray */
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

  /** Attach files to the next message. */
  add(files) {
    this.tray.add(files);
    this.#text.focus();
  }

  /** Show a status text; an empty one hides it. */
  status(text) {
    setText(this.#status, text);
    show(this.#status, text !== "");
  }

  /** Show the stop button while an answer is being generated. */
  answering(on) {
    show(this.#stop, on);
  }

  /** Restore a draft, unless the browser has restored the text box itself. */
  begin(draft) {
    this.#text.value ||= draft;
    this.#fit();
  }

  /** Put back text and files that could not be sent, in front of what was typed since. */
  restore(text, attachments = []) {
    this.#text.value = joined(text, this.#text.value);
    this.tray.restore(attachments);
    this.#edited();
  }

  /** Whether there is nothing to send, neither text nor files. */
  get empty() {
    return this.#text.value.trim() === "" && !this.tray.ready && !this.tray.busy;
  }

  focusText() {
    this.#text.focus();
  }

  focusTalk() {
    this.#talk.focus();
  }

  /** Send the text as soon as its files are uploaded. Returns false if there is nothing to send. */
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

  /** Further clicks are ignored while the call starts, which can take a while. */
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
    // If another upload has failed, the person should see that first.
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

// Browsers silently cut pasted text to a field's `maxlength`.

/**
 * Call `tell` with a message when a pasted text is too long for the field.
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
