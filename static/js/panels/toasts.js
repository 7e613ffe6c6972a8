// Toasts: short messages that disappear after a while.

import { find, findAll, fromTemplate, setText } from "../helpers/dom.js";

const STAY_MS = 7000;
const STAY_WITH_ACTION_MS = 12_000;

/** Show `text`; `action` is {label, run}. */
export function toast(text, action = null) {
  const element = fromTemplate("toast-template");
  setText(find(".toast__text", element), text);
  const button = find(".toast__action", element);
  if (action) {
    button.textContent = action.label;
    button.hidden = false;
    button.addEventListener("click", () => {
      element.remove();
      action.run();
    });
  }
  const region = regionInSight();
  // Replace a toast with the same text.
  for (const shown of findAll(".toast", region)) {
    if (find(".toast__text", shown).textContent === text) shown.remove();
  }
  region.append(element);
  watch(element, action ? STAY_WITH_ACTION_MS : STAY_MS);
}

/** The region for toasts: in an open dialog, if there is one, since what is below it is inert. */
function regionInSight() {
  const region = find("#toasts");
  const dialog = findAll("dialog[open]").at(-1);
  if (!dialog) return region;
  const known = find(".toasts", dialog);
  if (known) return known;
  const own = region.cloneNode();
  own.removeAttribute("id");
  dialog.append(own);
  const back = () => {
    region.append(...own.children);
    own.remove();
  };
  dialog.addEventListener("close", back, { once: true });
  return own;
}

/** Connect the toasts that came with the page. */
export function connectToasts() {
  for (const element of findAll("[data-toast]:not([data-watched])")) watch(element, STAY_WITH_ACTION_MS);
}

function watch(element, stay) {
  element.dataset.watched = "";
  find("[data-toast-close]", element).addEventListener("click", () => element.remove());
  let timer = setTimeout(() => element.remove(), stay);
  const hold = () => clearTimeout(timer);
  const go = () => (timer = setTimeout(() => element.remove(), stay));
  element.addEventListener("pointerenter", hold);
  element.addEventListener("focusin", hold);
  element.addEventListener("pointerleave", go);
  element.addEventListener("focusout", go);
}
