// The page's translated strings, which the server puts into it.

import { jsonOf } from "./dom.js";

let strings = null;

/** The string `key` with its {holes} filled. */
export function t(key, values = {}) {
  strings ??= { ...jsonOf("strings"), ...jsonOf("call-strings"), ...jsonOf("call-config")?.strings };
  return fill(strings[key] ?? key, values);
}

/** Whether the string `key` exists. */
export function has(key) {
  return t(key) !== key;
}

/** Read the strings again after another page was loaded: it may have more of them. */
export function forgetStrings() {
  strings = null;
}

/** Fill the {holes} of a template; a hole without a value stays as it is. */
export function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (hole, name) => values[name] ?? hole);
}

/** The page's language as a locale for `Intl`. */
export function language() {
  return globalThis.document?.documentElement.lang || undefined;
}

/** The name of the device's time zone, such as Europe/Rome. */
export function timeZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

// File sizes in human-readable form.

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"];

/** Bytes as "312 kB" or "1.4 MB"; below a kilobyte as "312 bytes". */
export function fileSize(bytes, locale = language()) {
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit > 1 && size < 10 ? 1 : 0;
  // The short form of "byte" has no plural.
  const unitDisplay = unit === 0 ? "long" : "short";
  const format = { style: "unit", unit: UNITS[unit], unitDisplay, maximumFractionDigits: digits };
  return new Intl.NumberFormat(locale, format).format(size);
}
