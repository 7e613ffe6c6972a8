// What is left of a quota, as the panel of costs shows it.

import { find, fromTemplate, setText } from "../helpers/dom.js";
import { money } from "../helpers/exact.js";
import { t } from "../helpers/strings.js";
import { localeOfPage } from "../helpers/time.js";

/** @param {object} limit of `nextvoice.quota`  @param {boolean} tightest whether it is reached first */
export function limitRow(limit, currency, tightest) {
  const row = fromTemplate("cost-limit-template");
  row.toggleAttribute("data-warn", limit.warn);
  row.toggleAttribute("data-tightest", tightest);
  setText(find("[data-limit-name]", row), t(`cost_limit_${limit.what}`, { who: t(`cost_scope_${limit.scope}`) }));
  const words = { left: amountOf(limit, limit.left, currency), most: amountOf(limit, limit.most, currency) };
  setText(find("[data-limit-left]", row), t("cost_left", words));
  const meter = find("meter", row);
  meter.value = 1 - Number(limit.left) / (Number(limit.most) || 1);
  meter.title = t("cost_left", words);
  setText(find("[data-limit-renews]", row), limit.renews ? t("cost_renews", { day: dayOf(limit.renews) }) : "");
  return row;
}

function amountOf(limit, amount, currency) {
  const locale = document.documentElement.lang || undefined;
  if (limit.what !== "minutes_day") return money(amount, currency, { locale });
  return t("cost_minutes", { n: Math.floor(Number(amount)).toLocaleString(locale) });
}

/** Quotas begin anew at midnight UTC, which is another time here. */
function dayOf(text) {
  const style = { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" };
  return new Intl.DateTimeFormat(localeOfPage(), style).format(new Date(text));
}
