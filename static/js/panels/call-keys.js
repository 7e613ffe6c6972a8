// Keys and the button to hold, during a call.

import { isWriting } from "../helpers/dom.js";

const ESCAPE_TWICE_MS = 2500;

/** M mutes, Escape twice hangs up, Space is held to talk. */
export function connectCallKeys(panel, call, { warn, dismiss }) {
  let escapedAt = -Infinity;
  document.addEventListener("keydown", (event) => {
    // An open dialog has its own keys.
    if (panel.hidden || document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      if (!call.active) dismiss();
      else if (performance.now() - escapedAt < ESCAPE_TWICE_MS) call.hangUp();
      else {
        escapedAt = performance.now();
        warn();
      }
      return;
    }
    if (isWriting(event.target) || !call.live) return;
    if (event.key.toLowerCase() === "m" && !event.repeat) call.toggleMute();
    if (event.key === " " && !call.handsFree && !isPressable(event.target)) {
      event.preventDefault();
      if (!event.repeat) call.press();
    }
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") call.release();
  });
  window.addEventListener("blur", () => call.release());
}

/** Make a button talk while it is held, by pointer or by key. */
export function connectHold(button, call) {
  button.addEventListener("pointerdown", (event) => {
    button.setPointerCapture(event.pointerId);
    call.press();
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    button.addEventListener(name, () => call.release());
  }
  button.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (!event.repeat) call.press();
  });
  button.addEventListener("keyup", (event) => {
    if (event.key === " " || event.key === "Enter") call.release();
  });
  button.addEventListener("contextmenu", (event) => event.preventDefault());
}

function isPressable(target) {
  return target instanceof Element && target.closest("button, a, summary, input, [role=button]") !== null;
}
