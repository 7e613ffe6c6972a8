// The list of conversations: loads more on demand and keeps titles and order up to date.

import { find, findAll, setText } from "../helpers/dom.js";
import { fetchPage, whyNot } from "../helpers/http.js";
import { showTimes } from "../helpers/time.js";
import { toast } from "./toasts.js";

// The most entries in one list; beyond that, "Show more" leads to another page.
const MOST_ENTRIES = 600;

const deleted = new Set(); // ids of conversations deleted in this tab

/** Load the next part of the list when its end comes into view. */
export function connectConversationList(root) {
  const list = find("[data-conversation-list]", root);
  const more = find("[data-more]", root);
  showCurrent(root);
  if (!list || !more) return;
  const full = () => list.childElementCount >= MOST_ENTRIES;
  // A busy page gets several entries at once, oldest first; the last one counts.
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
    // Observe it again: if the link is still in view, that triggers the next load.
    if (more.isConnected) watcher.observe(more);
  };
  more.addEventListener("click", (event) => {
    if (full()) return;
    event.preventDefault();
    load();
  });
  watcher.observe(more);
}

/** The extent of the list, to be restored by `goOn` when the person returns. */
export function reach(root) {
  const entries = findAll("[data-conversation-list] > li", root);
  return { entries, more: find("[data-more]", root)?.getAttribute("href") };
}

/** Extend the list of a reloaded page as far as it went when the person left it. */
export function goOn(root, { entries, more }) {
  const list = find("[data-conversation-list]", root);
  const link = find("[data-more]", root);
  if (!list || !link || entries.length <= list.childElementCount) return;
  // Old entries newer than the last one of the fresh list, but not in it, no longer exist.
  const last = timeOf(list.lastElementChild);
  add(list, entries.filter((entry) => timeOf(entry) <= last));
  // Deleted entries are only hidden, since a deletion can be undone.
  for (const entry of entries) entry.hidden = deleted.has(entry.dataset.conversation);
  moveOn(link, more);
}

/** Replace the list of a page from the back/forward cache by that of its `fresh` version. */
export function renewList(root, fresh) {
  const place = find(".sidebar__list", root);
  const anew = find(".sidebar__list", fresh);
  if (!place || !anew) return;
  const { scrollTop } = place;
  const before = reach(place);
  const followed = place.contains(document.activeElement) && document.activeElement.getAttribute("href");
  place.replaceChildren(...[...anew.childNodes].map((one) => document.adoptNode(one)));
  goOn(place, before);
  showTimes(place);
  connectConversationList(place);
  place.scrollTop = scrollTop;
  // Restore the keyboard focus.
  if (followed) find(`a[href="${CSS.escape(followed)}"]`, place)?.focus({ preventScroll: true });
}

/** Called after each POST: note if a conversation was deleted or restored. */
export function posted(address) {
  const [, id, done] = /\/c\/([^/]+)\/(delete|restore)\/$/.exec(address) ?? [];
  if (done === "delete") deleted.add(id);
  else deleted.delete(id);
}

/** Scroll the list to the entry of the page's conversation. */
export function showCurrent(root) {
  const entry = find("[data-conversation-list] [aria-current]", root);
  const place = entry?.closest(".sidebar__list");
  if (!place) return;
  const { top, bottom } = entry.getBoundingClientRect();
  const seen = place.getBoundingClientRect();
  if (top < seen.top || bottom > seen.bottom) place.scrollTop += top - seen.top - place.clientHeight / 2;
}

/** Change the title of a conversation's entry. */
export function retitle(id, title) {
  for (const entry of entriesOf(id)) setText(find(".conversation-item__title", entry), title);
}

/** Something was said in a conversation: move its entry to the top. */
export function putFirst(id) {
  for (const entry of entriesOf(id)) {
    find("time", entry).dateTime = new Date().toISOString();
    showTimes(entry);
    if (entry.previousElementSibling && entry.closest(".sidebar__list")) entry.parentElement.prepend(entry);
  }
}

function timeOf(entry) {
  return Date.parse(find("time", entry).dateTime);
}

function entriesOf(id) {
  return findAll(`[data-conversation="${CSS.escape(id)}"]`);
}

async function append(list, link) {
  const { page } = await fetchPage(link.href);
  add(list, findAll("[data-conversation-list] > li", page));
  showTimes(list);
  moveOn(link, find("[data-more]", page)?.getAttribute("href"));
}

function add(list, entries) {
  const known = new Set(findAll("[data-conversation]", list).map((one) => one.dataset.conversation));
  // Entries may overlap if the list has shifted meanwhile.
  const others = entries.filter((entry) => !known.has(entry.dataset.conversation));
  list.append(...others.map((entry) => document.adoptNode(entry)));
}

function moveOn(link, address) {
  if (address) link.href = address;
  else link.remove();
}
