// Runs before the first paint, so that the page never flashes in the wrong theme.
(() => {
  try {
    const theme = localStorage.getItem("nextvoice.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be blocked; the device's theme is then used.
  }
})();
