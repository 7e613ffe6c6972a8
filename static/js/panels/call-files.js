// Files and pictures in a call: attached, pasted, dropped, or captured with one click.

import { find, show } from "../helpers/dom.js";
import { t } from "../helpers/strings.js";
import { AttachmentTray } from "./attachments.js";
import { connectPicker } from "./file-input.js";

export class CallFiles {
  onready = null; // () a picture that is to be sent without text has been uploaded
  tray;
  #call;
  #buttons;
  #notice;
  #sendsAlone = false; // send the tray's content as soon as it is uploaded
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

  /** Whether files can be added now. */
  get open() {
    return this.#call.live && placeOf(this.#call).url !== "";
  }

  add(files) {
    this.#sendsAlone = false;
    this.tray.add(files);
  }

  /** Update the buttons for what the call supports. */
  show() {
    const { sees } = placeOf(this.#call);
    for (const button of Object.values(this.#buttons)) button.disabled = !this.open;
    show(this.#buttons.camera, sees && canUseCamera());
    show(this.#buttons.screen, sees && canShareScreen());
    this.tray.refresh();
  }

  /** Send the captured picture once it is uploaded, if it is the only attachment. */
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
      // When the person cancels the browser's dialog there is nothing to report.
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

// Captures one picture from the camera or of a screen.

const LONGEST = 2048;
const WARM_UP_FRAMES = 8; // a camera's first frames are dark

function canUseCamera() {
  return typeof navigator.mediaDevices?.getUserMedia === "function";
}

function canShareScreen() {
  return typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

/** A picture from the camera, on a phone the rear one. Rejects like getUserMedia. */
async function fromCamera() {
  const video = { facingMode: { ideal: "environment" }, width: { ideal: 1920 } };
  return picture(await navigator.mediaDevices.getUserMedia({ video }), WARM_UP_FRAMES, "camera");
}

/** A picture of a screen or window that the person chooses. Rejects like getDisplayMedia. */
async function fromScreen() {
  return picture(await navigator.mediaDevices.getDisplayMedia({ video: true }), 1, "screen");
}

async function picture(stream, frames, name) {
  const video = document.createElement("video");
  try {
    video.muted = true;
    video.playsInline = true;
    video.srcObject = stream;
    await video.play();
    await shown(video, frames);
    const canvas = drawn(video);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
    if (!blob) throw new Error("no picture");
    const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
    return new File([blob], `${name} ${time}.jpg`, { type: "image/jpeg" });
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  }
}

/** Wait for this many video frames, with a timeout: an unchanging screen sends only one. */
function shown(video, frames) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 1500);
    const next = (left) => {
      if (left > 0 && video.requestVideoFrameCallback) video.requestVideoFrameCallback(() => next(left - 1));
      else {
        clearTimeout(timer);
        resolve();
      }
    };
    next(frames);
  });
}

function drawn(video) {
  const { videoWidth: width, videoHeight: height } = video;
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas;
}
