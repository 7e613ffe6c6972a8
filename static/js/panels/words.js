// An answer as it is being heard: what was said, the word that is said now, and what comes.

import { find, setText } from "../helpers/dom.js";

/**
 * Show the words of a caption in `element`.
 * @param {{text: string, kind: string, heard?: number|null}} caption `heard`: characters said so
 *   far; null when the whole text is to be read as it stands
 */
export function showWords(element, { text, kind, heard = null }) {
  if (heard === null || kind !== "spoken" || heard >= text.length) {
    setText(element, text);
    if (element.firstElementChild) element.replaceChildren(text);
    return;
  }
  const start = startOfWord(text, heard);
  if (!find(".words__said", element)) element.replaceChildren(...["said", "now", "ahead"].map(span));
  setText(find(".words__said", element), text.slice(0, start));
  setText(find(".words__now", element), text.slice(start, heard));
  setText(find(".words__ahead", element), text.slice(heard));
}

/** Where the word begins that ends at `end`. Scripts without spaces go by the character. */
export function startOfWord(text, end) {
  const said = text.slice(0, end).trimEnd();
  const word = /[^\s\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]+$/u.exec(said);
  if (word) return word.index;
  return Math.max(0, said.length - 1);
}

function span(name) {
  const element = document.createElement("span");
  element.className = `words__${name}`;
  return element;
}
