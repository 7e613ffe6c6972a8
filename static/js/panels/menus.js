// <details> menus that close as people expect: by Escape, by a click elsewhere, by one another.

const OPEN = "details[data-menu][open]";

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
