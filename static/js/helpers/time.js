// Times and durations in human-readable form.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The locale for times on this page. */
export function localeOfPage() {
  return localeOf(document.documentElement.lang, navigator.languages);
}

/** The first preferred locale in the page's language, such as "en-GB"; else the language itself. */
export function localeOf(lang, wanted = []) {
  const kind = (tag) => tag.split("-")[0].toLowerCase();
  return wanted.find((one) => kind(one) === kind(lang)) ?? (lang || undefined);
}

/** "3 minutes ago", "yesterday", or the date if it is more than a week ago. */
export function relativeTime(date, now, locale) {
  const seconds = Math.round((date - now) / 1000);
  const ago = Math.abs(seconds);
  const format = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  if (ago < 45) return format.format(0, "second");
  if (ago < HOUR) return format.format(Math.round(seconds / MINUTE), "minute");
  if (ago < DAY) return format.format(Math.round(seconds / HOUR), "hour");
  if (ago < 7 * DAY) return format.format(Math.round(seconds / DAY), "day");
  const sameYear = date.getFullYear() === now.getFullYear();
  const parts = { day: "numeric", month: "short", ...(sameYear ? {} : { year: "numeric" }) };
  return new Intl.DateTimeFormat(locale, parts).format(date);
}

/** Milliseconds as "0:07", "12:30" or "1:02:03". */
export function clock(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const rest = String(seconds % 60).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

/** The length of a recording, rounded to seconds, but never "0:00" if there is any sound. */
export function soundLength(milliseconds) {
  return clock(milliseconds > 0 ? Math.max(1000, Math.round(milliseconds / 1000) * 1000) : 0);
}

/** The time of day. */
export function timeOfDay(date, locale) {
  return new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" }).format(date);
}

/** The start of a call: the day and time, or only the time if it is today. */
export function moment(date, now, locale) {
  const sameDay = date.toDateString() === now.toDateString();
  if (sameDay) return timeOfDay(date, locale);
  const year = date.getFullYear() === now.getFullYear() ? {} : { year: "numeric" };
  const options = { ...year, day: "numeric", month: "short", hour: "numeric", minute: "2-digit" };
  return new Intl.DateTimeFormat(locale, options).format(date);
}

/** "Today", "Yesterday", or the date. */
export function dayName(date, now, locale) {
  const [day, today] = [date, now].map((one) => Date.UTC(one.getFullYear(), one.getMonth(), one.getDate()));
  const days = Math.round((day - today) / (DAY * 1000));
  const year = date.getFullYear() === now.getFullYear() ? {} : { year: "numeric" };
  const parts = { weekday: "long", day: "numeric", month: "long", ...year };
  const name =
    days === 0 || days === -1
      ? new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(days, "day")
      : new Intl.DateTimeFormat(locale, parts).format(date);
  return name.charAt(0).toLocaleUpperCase(locale) + name.slice(1);
}

/** Format the timestamps and durations in the server's HTML. */
export function showTimes(root, now = new Date()) {
  const locale = localeOfPage();
  const shown = {
    "data-relative": (date) => relativeTime(date, now, locale),
    "data-clock": (date) => timeOfDay(date, locale),
    "data-moment": (date) => moment(date, now, locale),
  };
  for (const [attribute, format] of Object.entries(shown)) {
    for (const element of root.querySelectorAll(`time[${attribute}]`)) {
      const date = new Date(element.dateTime);
      if (Number.isNaN(date.getTime())) continue;
      element.textContent = format(date);
      element.title = date.toLocaleString(locale);
    }
  }
  for (const element of root.querySelectorAll("[data-duration-ms]:not([data-player-time])")) {
    const milliseconds = Number(element.dataset.durationMs);
    if (milliseconds > 0) element.textContent = clock(milliseconds);
  }
}
