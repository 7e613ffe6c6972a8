// Runs before all others: where one of them does not arrive nothing can be pressed, and the page says so.
addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLScriptElement) document.documentElement.dataset.incomplete = "";
  },
  true,
);
