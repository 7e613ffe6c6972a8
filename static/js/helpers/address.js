// The address of the page that stands in the document.

let shown = "";

const address = () => location.pathname + location.search;

/** The page at the present address stands in the document. */
export function nowShown() {
  shown = address();
}

export function shownAddress() {
  return shown;
}

/** Whether the present address is that of the page in the document. */
export function isShown() {
  return address() === shown;
}

/** Ask no longer for what these names in the address say; another page's is left alone. */
export function unask(...names) {
  if (!isShown()) return;
  const url = new URL(location.href);
  for (const name of names) url.searchParams.delete(name);
  if (url.href === location.href) return;
  history.replaceState(history.state, "", url);
  nowShown();
}
