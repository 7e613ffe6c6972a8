// Files and pictures in a call: attached, pasted, dropped, or taken with one tap.

import { find, show } from "../helpers/dom.js";
import { t } from "../helpers/strings.js";
import { connectPicker } from "./file-picker.js";
import { AttachmentTray } from "./attachment-tray.js";
import { canShareScreen, canUseCamera, fromCamera, fromScreen } from "./snapshot.js";

export class CallFiles {
  onready = null; // () what was to be sent on its own is uploaded
  tray;
  #call;
  #buttons;
  #notice;
  #sendsAlone = false; // what is in the tray goes as soon as it is there
  #taking = false;

  /** @param {ParentNode} root the call's panel  @param {(text: string) => void} notice */
  constructor(root, call, notice) {
    this.#call = call;
    this.#notice = notice;
    this.tray = new AttachmentTray(root, () => placeOf(call));
    this.#buttons = {
      attach: find("[data-attach]", root),
      camera: find("[data-snap-camera]", root),
      screen: find("[data-snap-screen]", root),
    };
    connectPicker(root, (files) => this.add(files));
    this.#buttons.camera.addEventListener("click", () => this.#snap(fromCamera, "camera_failed"));
    this.#buttons.screen.addEventListener("click", () => this.#snap(fromScreen, "screen_failed"));
  }

  /** Whether the tray takes files now. */
  get open() {
    return this.#call.live && placeOf(this.#call).url !== "";
  }

  add(files) {
    this.#sendsAlone = false;
    this.tray.add(files);
  }

  /** Offer what the call can take. */
  show() {
    const { sees } = placeOf(this.#call);
    for (const button of Object.values(this.#buttons)) button.disabled = !this.open;
    show(this.#buttons.camera, sees && canUseCamera());
    show(this.#buttons.screen, sees && canShareScreen());
    this.tray.refresh();
  }

  /** Send the snapshot that has come, if there is one and nothing else waits with it. */
  settle() {
    if (!this.#sendsAlone || this.tray.busy) return;
    this.#sendsAlone = false;
    if (this.tray.ready) this.onready?.();
  }

  async #snap(take, failed) {
    if (this.#taking) return;
    this.#taking = true;
    try {
      const picture = await take();
      this.#sendsAlone = !this.tray.ready && !this.tray.busy;
      this.tray.add([picture]);
    } catch (problem) {
      // Who closes the browser's question has changed their mind, which needs no words.
      if (problem?.name !== "AbortError" && !isChangeOfMind(take, problem)) this.#notice(t(failed));
    } finally {
      this.#taking = false;
    }
  }
}

function isChangeOfMind(take, problem) {
  return take === fromScreen && problem?.name === "NotAllowedError";
}

function placeOf(call) {
  const { upload, choice } = call.options ?? {};
  return { url: upload?.url ?? "", most: upload?.most ?? 0, sees: choice?.model?.sees ?? false };
}
