// The thread: stored messages, live captions, and the scroll position.

import { find, findAll, fromTemplate, show } from "../helpers/dom.js";
import { whyNot } from "../helpers/http.js";
import { clock, dayName, localeOfPage, showTimes } from "../helpers/time.js";
import { unask } from "../visits.js";
import { connectMessage, makeMessage, showCaption, showSaved, showStored } from "./message-view.js";
import { ThreadPages } from "./thread-pages.js";
import { toast } from "./toasts.js";

const NEAR_END_PX = 96;

export class Thread {
  conversation;
  #scroller;
  #list;
  #empty;
  #jump;
  #pages;
  #following = true; // whether the reader is at the end and wants to stay there
  #scrolledTo = 0;
  #divider = null; // the divider of the running call
  #call = ""; // id of the running or last call
  #calls = new Set(); // ids of the calls made on this page

  constructor(root) {
    this.conversation = find("[data-conversation-page]", root).dataset.conversationPage;
    this.#scroller = find("[data-thread]", root);
    this.#list = find("[data-messages]", root);
    this.#empty = find("[data-thread-empty]", root);
    this.#jump = find("[data-jump-latest]", root);
    for (const element of findAll(".message", this.#list)) connectMessage(element);
    tellDays(this.#list);
    this.#pages = new ThreadPages(this.#scroller, this.#list, (part) => this.#arrived(part));
    this.#scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.#jump.addEventListener("click", () => this.toEnd());
    const observer = new ResizeObserver(() => this.#keepEnd());
    observer.observe(this.#list);
    observer.observe(this.#scroller);
    this.#keepEnd();
    this.#following = !this.#pages.goesOn;
    this.#showWanted();
    show(this.#jump, !this.#following);
  }

  /** Scroll to the message in the address's `at` parameter, a search result. */
  #showWanted() {
    const at = new URLSearchParams(location.search).get("at");
    const wanted = at && find(`[data-message="${CSS.escape(at)}"]`, this.#list);
    if (!wanted) return;
    wanted.dataset.wanted = "";
    wanted.tabIndex = -1;
    wanted.scrollIntoView({ block: "center" });
    wanted.focus({ preventScroll: true });
    this.#following = this.#atEnd && !this.#pages.goesOn;
  }

  /** Whether there are no messages. */
  get empty() {
    return this.#list.childElementCount === 0;
  }

  /** Go to the newest message. */
  toEnd() {
    if (this.#pages.goesOn) this.#pages.toNewest().then(() => this.toEnd(), (problem) => toast(whyNot(problem)));
    else this.#isAtNewest();
    this.#following = true;
    this.#keepEnd();
  }

  /** Remove the position from the address, so that a reload also shows the end. */
  #isAtNewest() {
    unask("at", "before", "after");
  }

  #arrived(part) {
    for (const element of part) {
      if (element.matches(".message")) connectMessage(element);
      showTimes(element);
    }
    show(this.#empty, this.empty);
  }

  /** Say of which day the messages are; at midnight today becomes yesterday. */
  showDays() {
    showDays(this.#list);
  }

  /** A call begins: prepare its divider. */
  beginCall(id, { spoken }) {
    this.#calls.add(id);
    this.#call = id;
    if (!spoken || this.#divider) return;
    this.#divider = fromTemplate("divider-template");
    this.#divider.dataset.call = id;
    find("time", this.#divider).dateTime = new Date().toISOString();
    showTimes(this.#divider);
  }

  /** Show the duration of the call that has ended. */
  endCall(durationMs) {
    const place = this.#divider && find("[data-call-duration]", this.#divider);
    if (place) place.textContent = clock(durationMs);
    this.#divider = null;
  }

  /** Show the duration of a call that was made in another tab. */
  over({ call_id: id, duration_ms: durationMs }) {
    const place = find(`[data-call="${CSS.escape(id)}"] [data-call-duration]`, this.#list);
    if (durationMs > 0 && place?.textContent === "") place.textContent = clock(durationMs);
  }

  /**
   * Show a new or changed caption at its place.
   * @param {object} caption  @param {object[]} order all captions of the call, in order
   */
  put(caption, order) {
    const known = this.#element(caption.id) ?? null;
    if (caption.status === "removed") {
      // Remove it only if it was never stored.
      if (known && !known.dataset.message) known.remove();
      return;
    }
    const element = known ?? makeMessage(caption, this.#call);
    showCaption(element, caption);
    this.#place(element, caption, order);
    show(this.#empty, false);
  }

  /** Show the stored message of an item. */
  saved(event) {
    let element = this.#element(event.item_id);
    if (!element) {
      if (!event.role) return;
      const caption = { id: event.item_id, role: event.role, kind: event.kind ?? "spoken", status: event.status, text: event.text ?? "" };
      this.put(caption, []);
      element = this.#element(event.item_id);
    }
    showSaved(element, event);
  }

  /**
   * Show a stored message of any tab.
   * @param {object} saved
   * @param {{earlier?: boolean}} options `earlier`: of a call before the one that runs here
   */
  stored(saved, { earlier = false } = {}) {
    const known = find(`[data-message="${CSS.escape(saved.message_id)}"]`, this.#list) ?? this.#element(saved.item_id);
    const empty = !saved.text && !saved.recording && !saved.card && !saved.attachments?.length;
    if (!known && empty && saved.status === "completed") return;
    if (!known && !this.#pages.covers(saved.position)) return;
    const element = known ?? makeMessage({ id: saved.item_id, created: saved.created }, saved.call_id);
    showStored(element, saved);
    if (!known || this.#misplaced(element)) this.#insert(element, saved, earlier);
    show(this.#empty, false);
  }

  /** Remove a message that is no longer stored. */
  removed({ message_id: id }) {
    find(`[data-message="${CSS.escape(id)}"]`, this.#list)?.remove();
  }

  /** Whether an element is out of order: it was shown before its position was known. */
  #misplaced(element) {
    const placed = findAll("[data-position]", this.#list);
    const at = placed.indexOf(element);
    const positions = placed.map((one) => Number(one.dataset.position));
    return positions[at - 1] > positions[at] || positions[at + 1] < positions[at];
  }

  #insert(element, { position, call_id: call, kind, created }, earlier) {
    // Two calls that began at the same moment start with the same position.
    const least = earlier ? position : position + 1;
    const ours = ({ call, callId }) => earlier && this.#call === (call ?? callId);
    const follows = ({ dataset }) => (dataset.position ? Number(dataset.position) >= least : ours(dataset));
    const after = [...this.#list.children].find(follows) ?? null;
    const begun = call && find(`[data-call="${CSS.escape(call)}"]`, this.#list);
    if (kind === "spoken" && call && !begun) {
      const divider = fromTemplate("divider-template");
      divider.dataset.call = call;
      find("time", divider).dateTime = created ?? new Date().toISOString();
      showTimes(divider);
      // The call may have begun with typed messages.
      const first = [...this.#list.children].find((one) => one === after || one.dataset.callId === call);
      this.#list.insertBefore(divider, first ?? null);
    }
    this.#list.insertBefore(element, after);
  }

  #element(itemId) {
    // Providers may reuse an item id in another call.
    return findAll(`[data-item-id="${CSS.escape(itemId)}"]`, this.#list).findLast((one) =>
      this.#calls.has(one.dataset.callId),
    );
  }

  #place(element, caption, order) {
    if (this.#divider && !this.#divider.isConnected) this.#list.append(this.#divider);
    const at = order.findIndex((one) => one.id === caption.id);
    const after = order.slice(at + 1).map((one) => this.#element(one.id)).find(Boolean) ?? null;
    if (element.isConnected && element.nextElementSibling === after) return;
    if (element.isConnected && at === -1) return;
    this.#list.insertBefore(element, after);
  }

  get #atEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  #onScroll() {
    const { scrollTop } = this.#scroller;
    // Only scrolling up stops following; new content at the end does not.
    if (this.#atEnd && !this.#pages.goesOn) {
      this.#following = true;
      this.#isAtNewest();
    } else if (scrollTop < this.#scrolledTo) this.#following = false;
    this.#scrolledTo = scrollTop;
    show(this.#jump, !this.#following);
  }

  #keepEnd() {
    if (this.#following) {
      this.#scroller.scrollTop = this.#scroller.scrollHeight;
      // That the page itself moved is told a frame later, when the end may be further away.
      this.#scrolledTo = this.#scroller.scrollTop;
    }
    show(this.#jump, !this.#following);
  }
}

// Day headings above the first message of each day.

/** Keep the day headings of a list up to date. There is none if all messages are of today. */
function tellDays(list) {
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
    // A call divider shows its day itself.
    if (day === before || !element.matches(".message")) delete element.dataset.day;
    else element.dataset.day = dayName(time, now, locale);
    before = day;
  }
}
