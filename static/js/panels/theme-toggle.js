// Light, dark, or as the device has it.

import { find, setText } from "../helpers/dom.js";
import { remember, remembered } from "../helpers/storage.js";
import { t } from "../helpers/strings.js";

const THEMES = ["system", "light", "dark"];

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
