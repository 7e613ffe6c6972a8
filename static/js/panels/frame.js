// The frame of every page: menus, theme, the drawer with the conversation list, and copy buttons.

import { find, findAll, setText, show } from "../helpers/dom.js";
import { remember, remembered } from "../helpers/storage.js";
import { t } from "../helpers/strings.js";
import { showCurrent } from "./conversation-list.js";
import { toast } from "./toasts.js";

const OPEN = "details[data-menu][open]";
const THEMES = ["system", "light", "dark"];

let closeDrawer = null; // closes the open drawer, if there is one

// Makes <details> menus close on Escape, on a click elsewhere, and when another one opens.

export function connectMenus() {
  document.addEventListener("click", ({ target }) => {
    for (const menu of document.querySelectorAll(OPEN)) {
      if (!menu.contains(target)) menu.open = false;
      else if (target.closest?.(".menu__item[data-rename-open]")) menu.open = false;
      else if (target.closest?.("a.menu__item")) close(menu); // it may be a download or a new tab
    }
  });
  // In the capture phase, so that the Escape that closes a menu never counts towards hanging up.
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

// The theme: light, dark, or that of the system.

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

// The list of conversations as a drawer, on screens too narrow for a sidebar.

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !find("[data-drawer][data-open]")) return;
  event.stopImmediatePropagation(); // otherwise it would count towards hanging up
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
    // Without https there is no clipboard API: select the text, to be copied by hand.
    getSelection().selectAllChildren(element);
    toast(t("copy_failed"));
  }
}
