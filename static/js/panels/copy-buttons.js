// Buttons that copy the text of an element: `data-copy` is its id.

import { find, findAll } from "../helpers/dom.js";
import { t } from "../helpers/strings.js";
import { toast } from "./toasts.js";

/** Connect the buttons of this page. */
export function connectCopyButtons(root = document) {
  for (const button of findAll("[data-copy]", root)) {
    button.addEventListener("click", () => copy(find(`#${CSS.escape(button.dataset.copy)}`)));
  }
}

async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    toast(t("copied"));
  } catch {
    // Without https there is no clipboard: the text is selected, to be copied by hand.
    getSelection().selectAllChildren(element);
    toast(t("copy_failed"));
  }
}
