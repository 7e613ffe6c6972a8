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

/** The language that the page is written in, as `Intl` takes it. */
export function language() {
  return globalThis.document?.documentElement.lang || undefined;
}

// Sizes of files as people read them.

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"];

/** Bytes as "312 kB" or "1.4 MB"; few of them as "312 bytes". */
export function fileSize(bytes, locale = language()) {
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit > 1 && size < 10 ? 1 : 0;
  // In short they have no plural.
  const unitDisplay = unit === 0 ? "long" : "short";
  const format = { style: "unit", unit: UNITS[unit], unitDisplay, maximumFractionDigits: digits };
  return new Intl.NumberFormat(locale, format).format(size);
}
