// The card of a function that the assistant called, made by the server.

import { find, findAll, setText } from "../helpers/dom.js";
import { nodesOf } from "../helpers/html.js";
import { t } from "../helpers/strings.js";

const TICK_MS = 1000;
const SLOW_S = 2; // what is faster needs no clock
const began = new WeakMap(); // when a card was first seen running, in ms

/**
 * Show the card in a message. One that the reader has opened stays open, and keeps the focus.
 * @param {Element} message  @param {string|null|undefined} html of `nextvoice.saved`'s `card`
 */
export function showCard(message, html) {
  if (!html) return;
  const place = find("[data-message-card]", message);
  const made = nodesOf(html);
  const known = find("[data-tool]", place);
  if (!known) {
    place.replaceChildren(made);
    return;
  }
  const fresh = find("[data-tool]", made);
  known.dataset.state = fresh.dataset.state;
  for (const part of ["[data-tool-head]", "[data-tool-more]"]) {
    find(part, known).replaceChildren(...find(part, fresh).childNodes);
  }
  showTime(known);
  find("[data-tool-result]", place)?.remove();
  const result = find("[data-tool-result]", made);
  if (result) place.append(result);
}

/** Say how long a function has been running. */
function showTime(card) {
  if (card.dataset.state !== "in_progress") return;
  if (!began.has(card)) began.set(card, performance.now());
  const seconds = Math.round((performance.now() - began.get(card)) / 1000);
  if (seconds >= SLOW_S) setText(find("[data-tool-time]", card), t("tool_seconds", { n: seconds }));
}

setInterval(() => findAll("[data-tool][data-state=in_progress]").forEach(showTime), TICK_MS);
