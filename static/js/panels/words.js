// An answer during playback: the words already said, the current word, and those to come.

import { find, findAll, setText } from "../helpers/dom.js";
import { nodesOf } from "../helpers/html.js";

/**
 * Show the text of a caption in `element`.
 * @param {{text: string, kind: string, heard?: number|null}} caption `heard`: how many characters
 *   were said so far; null to show the whole text as usual
 */
export function showWords(element, { text, kind, heard = null }) {
  delete element.dataset.html;
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

/**
 * Show a Markdown answer that is being generated: `html` is the server's rendering of its first
 * part; `rest` follows as plain text until the server has formatted more.
 */
export function showFormatted(element, html, rest = "") {
  if (element.dataset.html !== html) {
    element.dataset.html = html;
    replaceFrom(element, nodesOf(html));
  }
  let tail = find("[data-rest]", element);
  if (rest === "") {
    tail?.remove();
    return;
  }
  if (!tail) {
    tail = document.createElement("span");
    tail.dataset.rest = "";
    (findAll("p, li, code, td, h3, h4, h5", element).at(-1) ?? element).append(tail);
  }
  setText(tail, rest);
}

/** Replace the children of `element` from the first difference on: the others must not flicker. */
function replaceFrom(element, made) {
  find("[data-rest]", element)?.remove();
  const before = [...element.childNodes];
  const after = [...made.childNodes];
  let same = 0;
  while (same < before.length && same < after.length && before[same].isEqualNode(after[same])) same += 1;
  for (const node of before.slice(same)) node.remove();
  element.append(...after.slice(same));
}

/** The start of the word that ends at `end`; a single character in scripts without spaces. */
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
