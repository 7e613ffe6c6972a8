// The card of a function that the assistant called, made by the server.

import { find } from "../helpers/dom.js";
import { nodesOf } from "../helpers/html.js";

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
  find("[data-tool-result]", place)?.remove();
  const result = find("[data-tool-result]", made);
  if (result) place.append(result);
}
