// What stands around each page: its menus, its theme, the drawer with its list, and what copies.

import { find, findAll, setText, show } from "../helpers/dom.js";
import { remember, remembered } from "../helpers/storage.js";
import { t } from "../helpers/strings.js";
import { showCurrent } from "./conversation-list.js";
import { toast } from "./toasts.js";

const OPEN = "details[data-menu][open]";
const THEMES = ["system", "light", "dark"];

let closeDrawer = null; // the open one, if there is one

// <details> menus that close as people expect: by Escape, by a click elsewhere, by one another.

export function connectMenus() {
  document.addEventListener("click", ({ target }) => {
    for (const menu of document.querySelectorAll(OPEN)) {
      if (!menu.contains(target)) menu.open = false;
      else if (target.closest?.(".menu__item[data-rename-open]")) menu.open = false;
      else if (target.closest?.("a.menu__item")) close(menu); // it may be a file, or open beside
    }
  });
  // Before the call's own Escape, so that closing a menu never counts towards hanging up.
  document.addEventListener(
    "keydown",
    (event) => {
      const menu = event.key === "Escape" ? document.querySelector(OPEN) : null;
      if (!menu) return;
      close(menu);
      event.stopPropagation();
    },
    true,
  );
}

function close(menu) {
  menu.open = false;
  menu.querySelector("summary").focus();
}

// Light, dark, or as the device has it.

export function connectThemeToggles(root) {
  for (const button of root.querySelectorAll("[data-theme-toggle]")) {
    label(button);
    button.addEventListener("click", () => {
      const after = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
      remember("theme", after === "system" ? null : after);
      if (after === "system") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = after;
      label(button);
      document.dispatchEvent(new Event("nextvoice:theme"));
    });
  }
}

function theme() {
  return document.documentElement.dataset.theme ?? remembered("theme") ?? "system";
}

function label(button) {
  setText(find("[data-theme-label]", button), t(`theme_${theme()}`));
}

// The list of conversations, as a drawer where there is no room beside the thread.

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !find("[data-drawer][data-open]")) return;
  event.stopImmediatePropagation(); // it would count towards hanging up
  closeDrawer();
});

export function connectDrawer(root) {
  const drawer = find("[data-drawer]", root);
  const opener = find("[data-drawer-open]", root);
  if (!drawer || !opener) return;
  const veil = find(".drawer-veil", root);
  const set = (open) => {
    if (open) closeDrawer = shut;
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

// Buttons that copy the text of an element: `data-copy` is its id.

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
