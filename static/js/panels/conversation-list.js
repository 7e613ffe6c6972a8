// The list of conversations: more of it when asked for, and titles as they change.

import { find, findAll, setText } from "../helpers/dom.js";
import { fetchPage } from "../helpers/http.js";
import { t } from "../helpers/strings.js";
import { showTimes } from "../helpers/time.js";
import { toast } from "./toasts.js";

/** Load the next page of the list when its end comes into view. */
export function connectConversationList(root) {
  const list = find("[data-conversation-list]", root);
  const more = find("[data-more]", root);
  if (!list || !more) return;
  const watcher = new IntersectionObserver(([entry]) => entry.isIntersecting && load(), {
    rootMargin: "200px",
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
    }
    loading = false;
    if (!more.isConnected) watcher.disconnect();
  };
  more.addEventListener("click", (event) => {
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
