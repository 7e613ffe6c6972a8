// The words of the page, written by the server in the person's language.

import { jsonOf } from "./dom.js";

let strings = null;

/** The string `key` with its {holes} filled. */
export function t(key, values = {}) {
  strings ??= { ...jsonOf("strings"), ...jsonOf("call-strings"), ...jsonOf("call-config")?.strings };
  return fill(strings[key] ?? key, values);
}

/** Whether there is such a string. */
export function has(key) {
  return t(key) !== key;
}

/** After another page was brought in: its strings may be more. */
export function forgetStrings() {
  strings = null;
}

/** Put values into the {holes} of a template; a hole without a value stays. */
export function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (hole, name) => values[name] ?? hole);
}
