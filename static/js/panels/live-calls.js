// The admin's page of live calls: asks for its rows again and again while somebody looks.

import { nodesOf } from "../helpers/html.js";

const EVERY_MS = 3000;

const place = document.querySelector("[data-live-calls]");
const state = document.querySelector("[data-live-state]");
let shown = null; // the rows' HTML, but for the token of its forms

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
  // The token is masked anew each time.
  const bare = html.replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");
  if (bare === shown) return;
  shown = bare;
  const focused = document.activeElement?.id;
  const { scrollLeft } = place.firstElementChild ?? {};
  place.replaceChildren(nodesOf(html));
  if (scrollLeft) place.firstElementChild.scrollLeft = scrollLeft;
  // Whoever is at a button stays there.
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function tell(words) {
  if (state.textContent !== words) state.textContent = words;
}

tell(state.dataset.fresh);
setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);
