// Which day the messages of a thread are of: said above the first one of each day.

import { find } from "../helpers/dom.js";
import { dayName, localeOfPage } from "../helpers/time.js";

/** Keep the days of a list of messages told, whatever comes into it. Today goes without saying. */
export function tellDays(list) {
  showDays(list);
  new MutationObserver(() => showDays(list)).observe(list, { childList: true });
}

function showDays(list) {
  const locale = localeOfPage();
  const now = new Date();
  let before = now.toDateString();
  for (const element of list.children) {
    const time = new Date(find("time", element)?.dateTime);
    if (Number.isNaN(time.getTime())) continue;
    const day = time.toDateString();
    // The heading of a call says its day itself.
    if (day === before || !element.matches(".message")) delete element.dataset.day;
    else element.dataset.day = dayName(time, now, locale);
    before = day;
  }
}
