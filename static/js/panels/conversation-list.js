// The list of conversations: more of it when asked for, and titles as they change.

import { find, findAll, setText } from "../helpers/dom.js";
import { fetchPage } from "../helpers/http.js";
import { t } from "../helpers/strings.js";
import { showTimes } from "../helpers/time.js";
import { toast } from "./toasts.js";

// So many entries are shown at once; beyond that "Show more" leads to a page of its own.
const MOST_ENTRIES = 600;

/** Load the next page of the list when its end comes into view. */
export function connectConversationList(root) {
  const list = find("[data-conversation-list]", root);
  const more = find("[data-more]", root);
  if (!list || !more) return;
  const full = () => list.childElementCount >= MOST_ENTRIES;
  const watcher = new IntersectionObserver(([entry]) => entry.isIntersecting && !full() && load(), {
    rootMargin: "400px",
  });
  let loading = false;
  const load = async () => {
    if (loading) return;
    loading = true;
    try {
      await append(list, more);
    } catch {
      toast(t("request_failed"));
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

/** Put a new title on the entry of a conversation, and the entry first. */
export function retitle(id, title) {
  for (const entry of findAll(`[data-conversation="${CSS.escape(id)}"]`)) {
    setText(find(".conversation-item__title", entry), title);
  }
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
