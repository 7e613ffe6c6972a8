// Sizes of files as people read them.

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"];

/** Bytes as "312 kB" or "1.4 MB"; few of them as "312 bytes". */
export function fileSize(bytes, locale = globalThis.document?.documentElement.lang || undefined) {
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
