// What the call costs: the sum beside the clock, and on demand each turn and what is left.

import { find, setText, show } from "../helpers/dom.js";
import { money } from "../helpers/exact.js";
import { t } from "../helpers/strings.js";
import { localeOfPage, timeOfDay } from "../helpers/time.js";
import { limitRow } from "./cost-limits.js";
import { turnRow } from "./cost-turns.js";

export class CostPanel {
  #button;
  #dialog;
  #costs;

  /** @param {HTMLElement} button the sum  @param {HTMLDialogElement} dialog  @param {object} costs a Costs */
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

  /** Bring everything to what is known now. Nothing of it is read out: it changes with each answer. */
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
    setText(part("context"), context ? t("cost_context", { tokens: context.tokens.toLocaleString(locale()) }) : "");
    setText(part("next"), context?.next ? t("cost_next", { sum: money(context.next, context.currency, { locale: locale() }) }) : "");
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

/** The sum in words: "$0.04", "free", "no price", or both where only some has a price. */
export function sumOf(costs) {
  const { totals, unpriced, free, quota } = costs;
  if (free) return t("cost_free");
  const sums = totals.map(([currency, amount]) => money(amount, currency, { locale: locale() }));
  if (unpriced > 0 || (sums.length === 0 && quota?.priced === false)) sums.push(t("cost_unpriced"));
  if (sums.length === 0 && quota) sums.push(money("0", quota.prices_in ?? quota.currency, { locale: locale() }));
  return sums.join(" + ");
}

/** Rows are made anew only when they changed, so that one that is open stays so. */
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

function locale() {
  return document.documentElement.lang || undefined;
}

