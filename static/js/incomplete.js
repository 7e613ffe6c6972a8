// Runs before all others: until they have run a tap waits for them. Where one of them does not
// arrive nothing can be pressed, and the page says so.

{
  const needScripts = "button[type=button], [data-composer-send], [data-start-talking] [name=call]";
  let tapped = null; // the button that was pressed last

  const keep = (event, button) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    tapped?.removeAttribute("aria-busy");
    tapped = button;
    tapped.setAttribute("aria-busy", "true");
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
    tapped?.removeAttribute("aria-busy");
    tapped?.click();
  });
}

addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLScriptElement) document.documentElement.dataset.incomplete = "";
  },
  true,
);
