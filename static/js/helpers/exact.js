// Exact decimals as strings. Money is never a float here.

/** a + b, to the last digit, without needless zeros but with at least two decimals. */
export function add(a, b) {
  const places = Math.max(decimals(a), decimals(b));
  const sum = scaled(a, places) + scaled(b, places);
  const digits = String(sum < 0n ? -sum : sum).padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  const rest = digits.slice(digits.length - places).replace(/0+$/, "").padEnd(2, "0");
  return `${sum < 0n ? "-" : ""}${whole}.${rest}`;
}

/** Whether an amount is nothing. */
export function isZero(amount) {
  return !/[1-9]/.test(amount);
}

/** An amount for people. @param {string} amount  @param {string} currency an ISO 4217 code */
export function money(amount, currency, { locale = undefined, digits = 4 } = {}) {
  const most = Math.abs(Number(amount)) >= 1 ? 2 : digits;
  try {
    const style = { style: "currency", currency, minimumFractionDigits: 2, maximumFractionDigits: most };
    const format = new Intl.NumberFormat(locale, style);
    const least = `0.${"0".repeat(most - 1)}1`;
    // What is more than nothing is not shown as nothing.
    if (!isZero(amount) && Math.abs(Number(amount)) < Number(least)) return `< ${format.format(least)}`;
    return format.format(amount);
  } catch {
    return `${amount} ${currency}`;
  }
}

function decimals(text) {
  return text.split(".")[1]?.length ?? 0;
}

function scaled(text, places) {
  const [whole, rest = ""] = text.split(".");
  return BigInt(whole + rest.padEnd(places, "0"));
}
