// The list of conversations: more of it when asked for, and titles and order as they change.

import { find, findAll, setText } from "../helpers/dom.js";
import { fetchPage, whyNot } from "../helpers/http.js";
import { showTimes } from "../helpers/time.js";
import { toast } from "./toasts.js";

// So many entries are shown at once; beyond that "Show more" leads to a page of its own.
const MOST_ENTRIES = 600;

const deleted = new Set(); // ids of what was deleted in this tab

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

/** How far the list goes, to be given to `goOn` when its person comes back. */
export function reach(root) {
  const entries = findAll("[data-conversation-list] > li", root);
  return { entries, more: find("[data-more]", root)?.getAttribute("href") };
}

/** Let the list of a page that is new again go as far as it went when its person left it. */
export function goOn(root, { entries, more }) {
  const list = find("[data-conversation-list]", root);
  const link = find("[data-more]", root);
  if (!list || !link || entries.length <= list.childElementCount) return;
  // What is newer than the last one that came with the page and did not come is not there any more.
  const last = timeOf(list.lastElementChild);
  add(list, entries.filter((entry) => timeOf(entry) <= last));
  // They stay, since that can be undone.
  for (const entry of entries) entry.hidden = deleted.has(entry.dataset.conversation);
  moveOn(link, more);
}

/** Bring the list of a page that the browser kept to what it is in `fresh`, the same page anew. */
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
  // The keyboard is where it left.
  if (followed) find(`a[href="${CSS.escape(followed)}"]`, place)?.focus({ preventScroll: true });
}

/** Something was posted: it may be that a conversation is deleted, or brought back. */
export function posted(address) {
  const [, id, done] = /\/c\/([^/]+)\/(delete|restore)\/$/.exec(address) ?? [];
  if (done === "delete") deleted.add(id);
  else deleted.delete(id);
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
  // The list may have moved by one while the person read it.
  const others = entries.filter((entry) => !known.has(entry.dataset.conversation));
  list.append(...others.map((entry) => document.adoptNode(entry)));
}

function moveOn(link, address) {
  if (address) link.href = address;
  else link.remove();
}
