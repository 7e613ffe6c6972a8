// The list of conversations, as a drawer where there is no room beside the thread.

import { find, findAll, show } from "../helpers/dom.js";
import { showCurrent } from "./conversation-list.js";

let close = null; // the open one, if there is one

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !find("[data-drawer][data-open]")) return;
  event.stopImmediatePropagation(); // it would count towards hanging up
  close();
});

export function connectDrawer(root) {
  const drawer = find("[data-drawer]", root);
  const opener = find("[data-drawer-open]", root);
  if (!drawer || !opener) return;
  const veil = find(".drawer-veil", root);
  const set = (open) => {
    if (open) close = shut;
    drawer.toggleAttribute("data-open", open);
    opener.setAttribute("aria-expanded", String(open));
    show(veil, open);
    find("#main").inert = open;
    if (open) showCurrent(root);
    if (open) find("a, button", drawer).focus();
    else if (drawer.contains(document.activeElement)) opener.focus();
  };
  const shut = () => {
    set(false);
    opener.focus();
  };
  opener.addEventListener("click", () => set(true));
  for (const closer of findAll("[data-drawer-close]", root)) {
    closer.addEventListener("click", () => set(false));
  }
}
