// Small DOM helpers that every panel uses.

/** The first match inside `root`. */
export function find(selector, root = document) {
  return root.querySelector(selector);
}

/** All matches inside `root`, as an array. */
export function findAll(selector, root = document) {
  return [...root.querySelectorAll(selector)];
}

/** Show or hide. */
export function show(element, visible) {
  if (element) element.hidden = !visible;
}

/** Set text only if it differs, so that live regions and selections are not disturbed. */
export function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** A copy of the only element in a template. */
export function fromTemplate(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** A copy of the only element in a template inside `root`. */
export function fromTemplateIn(selector, root) {
  return find(selector, root).content.firstElementChild.cloneNode(true);
}

/** Switch an existing <svg class="icon"> to another of the page's icons. */
export function setIcon(svg, name) {
  const use = svg?.querySelector("use");
  const href = `#icon-${name}`;
  if (use && use.getAttribute("href") !== href) use.setAttribute("href", href);
}

/** Whether a key belongs to an IME composition (Chinese, Japanese). */
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}

/** Whether `target` takes text input, so that letters typed there are not shortcuts. */
export function isWriting(target) {
  return target instanceof Element && target.closest("input:not([type=range], [type=checkbox]), textarea, select, [contenteditable]") !== null;
}

/** The JSON of a <script type="application/json">, or null. */
export function jsonOf(id, root = document) {
  const text = root.querySelector(`#${CSS.escape(id)}`)?.textContent;
  return text ? JSON.parse(text) : null;
}
