// What a call has cost and may still cost, from `nextvoice.cost` and `nextvoice.quota`.

const MAX_TURNS = 500;

export class Costs {
  /** The newest `nextvoice.quota`, or null. */
  quota = null;
  /** Size of the context and estimated cost of the next turn: {tokens, next, currency}, or null. */
  context = null;
  #totals = new Map(); // by call: after a lost connection there can be more than one
  #unpriced = new Map();
  #turns = new Map();
  #call = "";

  /** A call begins that continues the last one; its costs are added. */
  begin(callId) {
    this.#call = callId;
  }

  /** A new call begins: forget the last one's costs. */
  clear() {
    this.quota = this.context = null;
    for (const known of [this.#totals, this.#unpriced, this.#turns]) known.clear();
  }

  /** Process an event. Returns whether it was about costs. */
  take(event) {
    if (event.type === "nextvoice.quota") this.quota = event;
    else if (event.type === "nextvoice.cost") this.#cost(event);
    else return false;
    return true;
  }

  /** The cost so far, by currency: [[currency, amount]]. */
  get totals() {
    const sums = new Map();
    for (const totals of this.#totals.values()) {
      for (const [currency, amount] of Object.entries(totals)) {
        sums.set(currency, add(sums.get(currency) ?? "0", amount));
      }
    }
    return [...sums];
  }

  /** How many of the turns have no price. */
  get unpriced() {
    return [...this.#unpriced.values()].reduce((sum, each) => sum + each, 0);
  }

  /** Whether the call is free, as far as is known. */
  get free() {
    if (this.unpriced > 0 || this.quota?.priced === false) return false;
    const { totals } = this;
    return totals.length > 0 ? totals.every(([, amount]) => isZero(amount)) : (this.quota?.free ?? false);
  }

  /** The turns with their costs, newest first. */
  get turns() {
    return [...this.#turns.values()].reverse();
  }

  /** The limit with the smallest remaining share, or null; the limit on calls is ignored. */
  get tightest() {
    const limits = (this.quota?.limits ?? []).filter((limit) => limit.what !== "calls");
    const part = (limit) => Number(limit.left) / (Number(limit.most) || 1);
    return limits.reduce((least, limit) => (least && part(least) <= part(limit) ? least : limit), null);
  }

  #cost(event) {
    this.#totals.set(this.#call, event.totals);
    this.#unpriced.set(this.#call, event.unpriced);
    if (event.context) this.context = event.context;
    const known = this.#turns.get(event.key);
    if (event.correction) this.#turns.set(event.key, corrected(known, event));
    else if (!known) this.#turns.set(event.key, { ...event, corrected: false });
    if (this.#turns.size > MAX_TURNS) this.#turns.delete(this.#turns.keys().next().value);
  }
}

/** A turn after the correction of its estimate; a correction event holds the difference. */
function corrected(known, event) {
  if (!known) return { ...event, corrected: true };
  const cost = known.cost !== null && event.cost !== null ? add(known.cost, event.cost) : event.cost;
  return {
    ...known,
    ...{ source: event.source, status: event.status, text: event.text, corrected: true, cost },
    parts: merged(known.parts, event.parts),
    counts: merged(known.counts, event.counts),
  };
}

function merged(known, more) {
  const all = { ...known };
  for (const [name, amount] of Object.entries(more)) {
    const sum = add(String(all[name] ?? "0"), String(amount));
    all[name] = typeof amount === "number" ? Number(sum) : sum;
  }
  return Object.fromEntries(Object.entries(all).filter(([, amount]) => !isZero(String(amount))));
}

// Exact decimals as strings: money is never a float here.

/** a + b, exact, without trailing zeros but with at least two decimals. */
export function add(a, b) {
  const places = Math.max(decimals(a), decimals(b));
  const sum = scaled(a, places) + scaled(b, places);
  const digits = String(sum < 0n ? -sum : sum).padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  const rest = digits.slice(digits.length - places).replace(/0+$/, "").padEnd(2, "0");
  return `${sum < 0n ? "-" : ""}${whole}.${rest}`;
}

/** Whether an amount is zero. */
export function isZero(amount) {
  return !/[1-9]/.test(amount);
}

/** A formatted amount. @param {string} amount  @param {string} currency an ISO 4217 code */
export function money(amount, currency, { locale = undefined, digits = 4 } = {}) {
  const most = Math.abs(Number(amount)) >= 1 ? 2 : digits;
  try {
    const style = { style: "currency", currency, minimumFractionDigits: 2, maximumFractionDigits: most };
    const format = new Intl.NumberFormat(locale, style);
    const least = `0.${"0".repeat(most - 1)}1`;
    // A positive amount is never shown as zero.
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
