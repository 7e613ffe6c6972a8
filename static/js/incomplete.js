// Runs before all others: until they have run taps wait for them. Where one of them does not
// arrive nothing can be pressed, and the page says so.

{
  const needScripts = "button[type=button], [data-composer-send], [data-start-talking] [name=call]";
  const tapped = new Set(); // the buttons that were pressed, in this order, each once

  const keep = (event, button) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    tapped.add(button);
    button.setAttribute("aria-busy", "true");
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
    for (const button of tapped) {
      button.removeAttribute("aria-busy");
      button.click();
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
