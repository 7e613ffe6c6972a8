// The cost of the call: the sum beside the clock; in a dialog each turn and the remaining quota.

import { money as format } from "../call/costs.js";
import { find, fromTemplate, setText, show } from "../helpers/dom.js";
import { has, language, t } from "../helpers/strings.js";
import { localeOfPage, timeOfDay } from "../helpers/time.js";

const UNITS = { seconds: "cost_seconds", characters: "cost_characters", messages: "cost_messages" };

export class CostPanel {
  #button;
  #dialog;
  #costs;

  /**
   * @param {HTMLElement} button shows the sum  @param {HTMLDialogElement} dialog
   * @param {object} costs a Costs
   */
  constructor(button, dialog, costs) {
    this.#button = button;
    this.#dialog = dialog;
    this.#costs = costs;
    button.addEventListener("click", () => this.open());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  open() {
    this.#fill();
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  close() {
    this.#dialog.close();
  }

  /** Update everything. Not announced to screen readers, since it changes with each answer. */
  show() {
    const sum = sumOf(this.#costs);
    show(this.#button, sum !== "");
    setText(find("[data-cost-sum]", this.#button), sum);
    const label = t("cost_so_far", { sum });
    if (this.#button.getAttribute("aria-label") !== label) {
      this.#button.setAttribute("aria-label", label);
      this.#button.title = label;
    }
    const { tightest } = this.#costs;
    this.#button.toggleAttribute("data-warn", tightest?.warn ?? false);
    if (this.#dialog.open) this.#fill();
  }

  #fill() {
    const { context, quota, turns, tightest } = this.#costs;
    const part = (name) => find(`[data-cost-${name}]`, this.#dialog);
    setText(part("total"), sumOf(this.#costs) || t("cost_nothing"));
    setText(part("context"), context ? t("cost_context", { tokens: context.tokens.toLocaleString(language()) }) : "");
    setText(part("next"), context?.next ? t("cost_next", { sum: money(context.next, context.currency) }) : "");
    setText(part("why"), turns.find((turn) => turn.kind === "response")?.text ?? "");
    const limits = (quota?.limits ?? []).filter((limit) => limit.what !== "calls");
    show(part("left"), limits.length > 0 || Boolean(quota?.ends_at));
    const rows = limits.map((limit) => limitRow(limit, quota.currency, limit === tightest));
    part("limits").replaceChildren(...rows);
    const ends = quota?.ends_at ? new Date(quota.ends_at) : null;
    const time = ends && timeOfDay(ends, localeOfPage());
    setText(part("ends"), ends ? t("cost_ends", { time }) : "");
    show(part("none"), turns.length === 0);
    fillTurns(part("turns"), turns);
  }
}

/** The sum as text: "$0.04", "free", "no price", or both if only some turns have a price. */
export function sumOf(costs) {
  const { totals, unpriced, free, quota } = costs;
  if (free) return t("cost_free");
  const sums = totals.map(([currency, amount]) => money(amount, currency));
  if (unpriced > 0 || (sums.length === 0 && quota?.priced === false)) sums.push(t("cost_unpriced"));
  if (sums.length === 0 && quota) sums.push(money("0", quota.prices_in ?? quota.currency));
  return sums.join(" + ");
}

/** Update the rows, replacing only those that changed, so that open ones stay open. */
function fillTurns(list, turns) {
  const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const rows = turns.map((turn) => {
    const state = JSON.stringify([turn.cost, turn.source, turn.corrected]);
    const row = known.get(turn.key);
    if (row?.dataset.shown === state) return row;
    const made = turnRow(turn);
    Object.assign(made.dataset, { key: turn.key, shown: state });
    if (row) find("details", made).open = find("details", row).open;
    return made;
  });
  if (rows.length !== list.children.length || rows.some((row, index) => list.children[index] !== row)) {
    list.replaceChildren(...rows);
  }
}

function money(amount, currency, digits) {
  return format(amount, currency, { locale: language(), digits });
}

// The remaining quota, as the dialog shows it.

/**
 * @param {object} limit of `nextvoice.quota`
 * @param {boolean} tightest whether it will be reached first
 */
function limitRow(limit, currency, tightest) {
  const row = fromTemplate("cost-limit-template");
  row.toggleAttribute("data-warn", limit.warn);
  row.toggleAttribute("data-tightest", tightest);
  setText(find("[data-limit-name]", row), t(`cost_limit_${limit.what}`, { who: t(`cost_scope_${limit.scope}`) }));
  const words = { left: inUnit(limit, limit.left, currency), most: inUnit(limit, limit.most, currency) };
  setText(find("[data-limit-left]", row), t("cost_left", words));
  const meter = find("meter", row);
  meter.value = 1 - Number(limit.left) / (Number(limit.most) || 1);
  meter.title = t("cost_left", words);
  setText(find("[data-limit-renews]", row), limit.renews ? t("cost_renews", { day: dayOf(limit.renews) }) : "");
  return row;
}

function inUnit(limit, amount, currency) {
  if (limit.what !== "minutes_day") return money(amount, currency);
  return t("cost_minutes", { n: Math.floor(Number(amount)).toLocaleString(language()) });
}

/** When a quota renews: at midnight UTC, shown in local time. */
function dayOf(text) {
  const style = { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" };
  return new Intl.DateTimeFormat(localeOfPage(), style).format(new Date(text));
}

// One ledger entry, as the dialog lists it: collapsed its price, expanded its parts.

/** @param {object} turn of a Costs */
function turnRow(turn) {
  const row = fromTemplate("cost-turn-template");
  const part = (name) => find(`[data-turn-${name}]`, row);
  setText(part("kind"), t(`cost_kind_${turn.kind}`));
  setText(part("sum"), turn.cost === null ? t("cost_unpriced") : money(turn.cost, turn.currency));
  row.toggleAttribute("data-unpriced", turn.cost === null);
  const flag = flagOf(turn);
  setText(part("flag"), flag ? t(`cost_is_${flag}`) : "");
  show(part("flag"), flag !== "");
  part("parts").replaceChildren(...partsOf(turn).map((each) => partRow(each, turn.currency)));
  setText(part("why"), turn.text);
  return row;
}

/** A remark on how the price came about; "" if it is based on usage reported by the provider. */
function flagOf({ source, corrected, status }) {
  if (corrected) return "corrected";
  if (source !== "reported") return source;
  return status === "cancelled" ? "interrupted" : "";
}

/** The parts in the ledger's order: [{name, amount, unit, cost}]; without a price, the usage. */
function partsOf({ counts, parts, cost }) {
  const names = cost === null || Object.keys(parts).length === 0 ? namesOf(counts) : Object.keys(parts);
  return names.map((name) => ({
    name,
    amount: amountOf(name, counts),
    unit: UNITS[name] ?? "cost_tokens",
    cost: parts[name] ?? null,
  }));
}

function namesOf(counts) {
  return Object.keys(counts).filter((name) => amountOf(name, counts) !== 0);
}

/** A part's amount: counts of input include cached input, which is a part of its own. */
function amountOf(name, counts) {
  const whole = Number(counts[name] ?? 0);
  return name.endsWith("_in") ? whole - Number(counts[name.replace("_in", "_cached")] ?? 0) : whole;
}

function partRow({ name, amount, unit, cost }, currency) {
  const row = fromTemplate("cost-part-template");
  const [label, size, sum] = row.children;
  setText(label, has(`cost_part_${name}`) ? t(`cost_part_${name}`) : name);
  const n = amount.toLocaleString(language(), { maximumFractionDigits: 1 });
  setText(size, t(unit, { n }));
  setText(sum, cost === null ? "" : money(cost, currency, 6));
  return row;
}
