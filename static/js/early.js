// Runs before all other scripts and the first paint, so that the page never flashes in the wrong
// theme. Until the modules have run, clicks are held back for them. If a module fails to load, no
// button can work, and the page says so.

(() => {
  try {
    const theme = localStorage.getItem("nextvoice.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be blocked; the device's theme is then used.
  }
})();

{
  const needScripts = "button[type=button], [data-composer-send], [data-start-talking] [name=call]";
  // The pressed buttons in order, each once, with {box, text, left}: the text box of a send button,
  // what was in it, and whether more than half of that has been deleted since.
  const tapped = new Map();

  const keep = (event, button) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    const box = button.matches("[data-composer-send]") ? button.form.querySelector("[data-composer-text]") : null;
    const tap = { box, text: box?.value, left: false };
    box?.addEventListener("input", () => (tap.left ||= box.value.length < tap.text.length / 2));
    tapped.set(button, tap);
    button.setAttribute("aria-busy", "true");
  };
  const put = (box, text) => {
    box.value = text;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };
  // Text typed after the click stays in the box. If instead the text was corrected, that is sent.
  const send = (button, { box, text, left }) => {
    const goesOn = box.value.startsWith(text);
    const typed = goesOn ? box.value.slice(text.length).trim() : left ? box.value : "";
    put(box, goesOn || left ? text : box.value);
    button.click();
    // If the text could not be sent, it is in the box again.
    if (typed) put(box, [box.value, typed].filter(Boolean).join("\n"));
  };
  const onClick = (event) => {
    const button = event.target.closest?.(needScripts);
    if (button) keep(event, button);
  };
  const onKey = (event) => {
    const { target, key } = event;
    if (key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    if (target.matches?.("[data-composer-text]")) keep(event, target.form.querySelector("[data-composer-send]"));
  };

  addEventListener("click", onClick, true);
  addEventListener("keydown", onKey, true);
  // Modules are deferred, so they have run by now.
  addEventListener("DOMContentLoaded", () => {
    removeEventListener("click", onClick, true);
    removeEventListener("keydown", onKey, true);
    for (const [button, tap] of tapped) {
      button.removeAttribute("aria-busy");
      if (tap.box) send(button, tap);
      else button.click();
    }
  });
}

addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLScriptElement) document.documentElement.dataset.incomplete = "";
  },
  true,
);
