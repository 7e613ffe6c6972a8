// Keyboard shortcuts and the push-to-talk button of a call.

import { isComposing, isWriting } from "../helpers/dom.js";

const ESCAPE_TWICE_MS = 2500;

/** M mutes, Escape twice hangs up, Space talks (held or tapped), and Escape then discards. */
export function connectCallKeys(panel, call, { warn, dismiss }) {
  let escapedAt = -Infinity;
  const isForButton = watchClicks();
  document.addEventListener("keydown", (event) => {
    // An open dialog handles its own keys.
    if (panel.hidden || document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isComposing(event)) return;
    if (event.key === "Escape") {
      if (!call.active) dismiss();
      else if (call.held) call.discard();
      else if (performance.now() - escapedAt < ESCAPE_TWICE_MS) call.hangUp();
      else {
        escapedAt = performance.now();
        warn();
      }
      return;
    }
    if (isWriting(event.target) || !call.live || event.defaultPrevented) return;
    if (isM(event) && !event.repeat) call.toggleMute();
    if (event.key === " " && call.mode !== "free" && !isForButton(event.target)) {
      event.preventDefault();
      // Some browsers click a focused button on keyup even if keydown was cancelled.
      pressableAt(event.target)?.blur();
      if (event.repeat) return;
      if (call.mode === "tap") call.tap();
      else call.press();
    }
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") letGo(call);
  });
  window.addEventListener("blur", () => letGo(call));
}

/** Whether the key is M. Keyboards of other scripts have another letter in its place. */
function isM({ key, code }) {
  return key.toLowerCase() === "m" || (code === "KeyM" && key > "\x7f");
}

/** End a turn that is held. */
function letGo(call) {
  if (call.mode === "hold") call.release();
}

/** Make a button talk while it is held, by pointer or key; in tap mode, from tap to tap. */
export function connectHold(button, call) {
  const holding = () => call.mode === "hold";
  button.addEventListener("click", () => call.mode === "tap" && call.tap());
  button.addEventListener("pointerdown", (event) => {
    if (!holding()) return;
    button.setPointerCapture(event.pointerId);
    call.press();
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    button.addEventListener(name, () => letGo(call));
  }
  button.addEventListener("keydown", (event) => {
    if (!holding() || (event.key !== " " && event.key !== "Enter")) return;
    event.preventDefault();
    if (!event.repeat) call.press();
  });
  button.addEventListener("keyup", (event) => {
    if (event.key === " " || event.key === "Enter") letGo(call);
  });
  button.addEventListener("contextmenu", (event) => event.preventDefault());
}

/**
 * Returns a function that says whether Space should activate the focused element: yes for a button
 * reached by keyboard, no for one that only kept the focus after a click, such as the one that
 * switched to push-to-talk.
 * @returns {(target: EventTarget) => boolean}
 */
function watchClicks() {
  let clicked = null;
  document.addEventListener("focusin", () => (clicked = null), true);
  document.addEventListener(
    "click",
    // Clicks made by keyboard have a `detail` of 0.
    ({ target, detail }) => (clicked = detail > 0 ? pressableAt(target) : null),
    true,
  );
  return (target) => ![null, clicked].includes(pressableAt(target));
}

function pressableAt(target) {
  return target instanceof Element ? target.closest("button, a, summary, input, [role=button]") : null;
}
