// The list of conversations: more of it when asked for, and titles and order as they change.

import { find, findAll, setText } from "../helpers/dom.js";
import { fetchPage, whyNot } from "../helpers/http.js";
import { showTimes } from "../helpers/time.js";
import { toast } from "./toasts.js";

// So many entries are shown at once; beyond that "Show more" leads to a page of its own.
const MOST_ENTRIES = 600;

/** Load the next page of the list when its end comes into view. */
export function connectConversationList(root) {
  const list = find("[data-conversation-list]", root);
  const more = find("[data-more]", root);
  showCurrent(root);
  if (!list || !more) return;
  const full = () => list.childElementCount >= MOST_ENTRIES;
  // A busy page is told several at once, oldest first.
  const watcher = new IntersectionObserver((told) => told.at(-1).isIntersecting && !full() && load(), {
    rootMargin: "400px",
  });
  let loading = false;
  const load = async () => {
    if (loading) return;
    loading = true;
    try {
      await append(list, more);
    } catch (problem) {
      toast(whyNot(problem));
      watcher.disconnect();
      loading = false;
      return;
    }
    loading = false;
    watcher.unobserve(more);
    // Asked anew, since the link may still be in sight.
    if (more.isConnected) watcher.observe(more);
  };
  more.addEventListener("click", (event) => {
    if (full()) return;
    event.preventDefault();
    load();
  });
  watcher.observe(more);
}

/** Bring the entry of the page's conversation into sight, where the list is scrolled. */
export function showCurrent(root) {
  const entry = find("[data-conversation-list] [aria-current]", root);
  const place = entry?.closest(".sidebar__list");
  if (!place) return;
  const { top, bottom } = entry.getBoundingClientRect();
  const seen = place.getBoundingClientRect();
  if (top < seen.top || bottom > seen.bottom) place.scrollTop += top - seen.top - place.clientHeight / 2;
}

/** Put a new title on the entry of a conversation. */
export function retitle(id, title) {
  for (const entry of entriesOf(id)) setText(find(".conversation-item__title", entry), title);
}

/** Something was said in a conversation just now: its entry is the first one. */
export function putFirst(id) {
  for (const entry of entriesOf(id)) {
    find("time", entry).dateTime = new Date().toISOString();
    showTimes(entry);
    if (entry.previousElementSibling && entry.closest(".sidebar__list")) entry.parentElement.prepend(entry);
  }
}

function entriesOf(id) {
  return findAll(`[data-conversation="${CSS.escape(id)}"]`);
}

async function append(list, more) {
  const { page } = await fetchPage(more.href);
  const known = new Set(findAll("[data-conversation]", list).map((one) => one.dataset.conversation));
  for (const entry of findAll("[data-conversation-list] > li", page)) {
    // The list may have moved by one while the person read it.
    if (!known.has(entry.dataset.conversation)) list.append(document.adoptNode(entry));
  }
  showTimes(list);
  const next = find("[data-more]", page);
  if (next) more.href = next.getAttribute("href");
  else more.remove();
}
