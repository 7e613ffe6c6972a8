// Pagination of a long thread: loads more messages where the reader is.

import { find, findAll } from "../helpers/dom.js";
import { fetchPage, whyNot } from "../helpers/http.js";
import { toast } from "./toasts.js";

// The most messages on one page. Beyond that, the links lead to another page.
const MOST_MESSAGES = 600;
const NEAR = "800px 0px 0px 0px";

export class ThreadPages {
  #scroller;
  #list;
  #onmessages; // (elements) they were added to the list
  #loading = false;
  #watcher; // IntersectionObserver of the link to earlier messages

  constructor(scroller, list, onmessages) {
    this.#scroller = scroller;
    this.#list = list;
    this.#onmessages = onmessages;
    this.#watcher = new IntersectionObserver((told) => told.at(-1).isIntersecting && !this.#full && this.#bring(this.#earlier), {
      root: scroller,
      rootMargin: NEAR,
    });
    for (const link of [this.#earlier, this.#later]) this.#connect(link);
  }

  /** Whether there are later messages that are not shown. */
  get goesOn() {
    return Boolean(this.#later);
  }

  /** Whether a message at this position belongs to the part that is shown. */
  covers(position) {
    const shown = findAll("[data-position]", this.#list);
    if (shown.length === 0) return true;
    const [first, last] = [shown[0], shown.at(-1)].map((one) => Number(one.dataset.position));
    return !(this.#earlier && position < first) && !(this.#later && position > last);
  }

  /** Show the end of the thread instead of the current part. */
  async toNewest() {
    const { page } = await fetchPage(location.pathname);
    const part = this.#part(page);
    const known = new Set(part.map((one) => one.dataset.message).filter(Boolean));
    // Messages of the running call may not be on the fetched page yet.
    const now = findAll(".message", this.#list).filter((one) => "fresh" in one.dataset && !known.has(one.dataset.message));
    this.#list.replaceChildren(...part, ...now);
    this.#later?.remove();
    this.#earlier?.remove();
    const earlier = find("[data-earlier]", page);
    if (earlier) {
      this.#list.parentElement.prepend(document.adoptNode(earlier));
      this.#connect(earlier);
    }
    this.#onmessages(part);
  }

  get #earlier() {
    return find("[data-earlier]", this.#scroller);
  }

  get #later() {
    return find("[data-later]", this.#scroller);
  }

  get #full() {
    return findAll(".message", this.#list).length >= MOST_MESSAGES;
  }

  #connect(link) {
    link?.addEventListener("click", (event) => {
      if (this.#full) return;
      event.preventDefault();
      this.#bring(link);
    });
    if (link?.matches("[data-earlier]")) this.#watcher.observe(link);
  }

  async #bring(link) {
    if (this.#loading || !link?.isConnected) return;
    this.#loading = true;
    link.setAttribute("aria-busy", "true");
    try {
      const { page } = await fetchPage(link.href);
      if (!link.isConnected) return;
      const before = link.matches("[data-earlier]");
      const part = this.#part(page);
      if (before) this.#putBefore(part);
      else this.#putAfter(part);
      const keeping = before && find(".thread .keeping", page);
      if (keeping) this.#list.parentElement.prepend(document.adoptNode(keeping));
      this.#moveOn(link, find(before ? "[data-earlier]" : "[data-later]", page));
      this.#onmessages(part);
    } catch (problem) {
      toast(whyNot(problem));
      this.#watcher.disconnect();
    } finally {
      link.removeAttribute("aria-busy");
      this.#loading = false;
    }
  }

  #part(page) {
    return findAll("[data-messages] > li", page).map((one) => document.adoptNode(one));
  }

  #putBefore(part) {
    const fromEnd = this.#scroller.scrollHeight - this.#scroller.scrollTop;
    const [first] = this.#list.children;
    const again = first && part.some((one) => sameCall(one, first));
    if (again) first.remove();
    this.#list.prepend(...part);
    // Keep the scroll position relative to what the reader sees.
    this.#scroller.scrollTop = this.#scroller.scrollHeight - fromEnd;
  }

  #putAfter(part) {
    const again = part[0] && findAll(".call-divider", this.#list).some((one) => sameCall(one, part[0]));
    this.#list.append(...(again ? part.slice(1) : part));
  }

  #moveOn(link, next) {
    if (next) {
      link.href = next.getAttribute("href");
      // Observe it again: if the link is still in view, that triggers the next load.
      this.#watcher.unobserve(link);
      if (link.matches("[data-earlier]")) this.#watcher.observe(link);
      return;
    }
    if (document.activeElement === link) this.#scroller.focus();
    link.remove();
  }
}

/** Whether both are dividers of the same call; each part of a thread begins with one. */
function sameCall(one, other) {
  return one.matches(".call-divider") && other.matches(".call-divider") && one.dataset.call === other.dataset.call;
}
