// Runs before all others, and before the first paint, so that the page never flashes in the wrong theme.
// Until the modules have run taps wait for them. Where one of them does not arrive nothing can be
// pressed, and the page says so.

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
  // The buttons that were pressed, in this order, each once, with the box that one sends and what
  // stood there: {box, text}.
  const tapped = new Map();

  const keep = (event, button) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    const box = button.matches("[data-composer-send]") ? button.form.querySelector("[data-composer-text]") : null;
    tapped.set(button, { box, text: box?.value });
    button.setAttribute("aria-busy", "true");
  };
  const put = (box, text) => {
    box.value = text;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };
  // What was typed after the tap stays in the box.
  const send = (button, box, text) => {
    const typed = box.value.startsWith(text) ? box.value.slice(text.length).trim() : box.value;
    put(box, text);
    button.click();
    // What could not be sent stands there again.
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
  // By then the modules have run.
  addEventListener("DOMContentLoaded", () => {
    removeEventListener("click", onClick, true);
    removeEventListener("keydown", onKey, true);
    for (const [button, { box, text }] of tapped) {
      button.removeAttribute("aria-busy");
      if (box) send(button, box, text);
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
