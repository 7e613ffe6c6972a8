// The admin's page of live calls: polls for its rows while the page is visible.

import { nodesOf } from "../helpers/html.js";

const EVERY_MS = 3000;

const place = document.querySelector("[data-live-calls]");
const state = document.querySelector("[data-live-state]");
let shown = null; // the rows' HTML without the CSRF tokens of its forms

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(place.dataset.liveCalls, { redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.text());
    tell(state.dataset.fresh);
  } catch {
    tell(state.dataset.stale);
  }
}

function show(html) {
  // Django masks the CSRF token differently each time.
  const bare = html.replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");
  if (bare === shown) return;
  shown = bare;
  const focused = document.activeElement?.id;
  const { scrollLeft } = place.firstElementChild ?? {};
  place.replaceChildren(nodesOf(html));
  if (scrollLeft) place.firstElementChild.scrollLeft = scrollLeft;
  // Restore the focus, for example to a button.
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function tell(words) {
  if (state.textContent !== words) state.textContent = words;
}

tell(state.dataset.fresh);
setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);
