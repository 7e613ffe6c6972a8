// One thing that was used, as the panel of costs lists it: closed its price, open what it is made of.

import { find, fromTemplate, setText, show } from "../helpers/dom.js";
import { money } from "../helpers/exact.js";
import { has, t } from "../helpers/strings.js";

const UNITS = { seconds: "cost_seconds", characters: "cost_characters", messages: "cost_messages" };

/** @param {object} turn of a Costs */
export function turnRow(turn) {
  const row = fromTemplate("cost-turn-template");
  const part = (name) => find(`[data-turn-${name}]`, row);
  setText(part("kind"), t(`cost_kind_${turn.kind}`));
  setText(part("sum"), turn.cost === null ? t("cost_unpriced") : money(turn.cost, turn.currency, style()));
  row.toggleAttribute("data-unpriced", turn.cost === null);
  const flag = flagOf(turn);
  setText(part("flag"), flag ? t(`cost_is_${flag}`) : "");
  show(part("flag"), flag !== "");
  part("parts").replaceChildren(...partsOf(turn).map((each) => partRow(each, turn.currency)));
  setText(part("why"), turn.text);
  return row;
}

/** What a person should know of how a price came about; "" when the provider told it at once. */
export function flagOf({ source, corrected, status }) {
  if (corrected) return "corrected";
  if (source !== "reported") return source;
  return status === "cancelled" ? "interrupted" : "";
}

/** The parts in the order of the ledger: [{name, amount, unit, cost}]; without a price, what was used. */
export function partsOf({ counts, parts, cost }) {
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

/** What was read includes what was read again; a part does not. */
function amountOf(name, counts) {
  const whole = Number(counts[name] ?? 0);
  return name.endsWith("_in") ? whole - Number(counts[name.replace("_in", "_cached")] ?? 0) : whole;
}

function partRow({ name, amount, unit, cost }, currency) {
  const row = fromTemplate("cost-part-template");
  const [label, size, sum] = row.children;
  setText(label, has(`cost_part_${name}`) ? t(`cost_part_${name}`) : name);
  const n = amount.toLocaleString(document.documentElement.lang || undefined, { maximumFractionDigits: 1 });
  setText(size, t(unit, { n }));
  setText(sum, cost === null ? "" : money(cost, currency, { ...style(), digits: 6 }));
  return row;
}

function style() {
  return { locale: document.documentElement.lang || undefined };
}
