// Navigation within the site without unloading the document, so that a call continues.

import { find } from "./helpers/dom.js";
import { fetchPage, whyNot } from "./helpers/http.js";
import { forgetStrings } from "./helpers/strings.js";
import { goOn, posted, reach } from "./panels/conversation-list.js";
import { toast } from "./panels/toasts.js";

/** Shows other pages of the site in the same document; the call and its panel stay. */
export class Visits {
  #onarrive;
  #mayLeave;
  #wanted = 0; // number of the last visit: the only one that may still be shown
  #entry; // key of the current page in the browser's history
  #left = new Map(); // scroll position and list of the pages that were left: {top, list} by entry

  /**
   * @param {() => void} onarrive the new page is in the document
   * @param {() => boolean} mayLeave whether the document may be unloaded without losing anything
   */
  constructor(onarrive, mayLeave) {
    this.#onarrive = onarrive;
    this.#mayLeave = mayLeave;
    window.addEventListener("popstate", () => this.#moved());
  }

  /** Called once, when the browser has loaded the first page. */
  begin() {
    this.#arrived();
  }

  /**
   * Fetch and show the page at `url`. If that fails, let the browser navigate there, or reject if
   * something was posted or the document must not be unloaded.
   * @param {{push?: boolean, fields?: FormData}} options `fields` are posted
   */
  async go(url, { push = true, fields = null } = {}) {
    const visit = ++this.#wanted;
    try {
      const { page, url: arrived } = await fetchPage(url, fields);
      if (fields) posted(url);
      if (visit !== this.#wanted) return;
      if (!find("#page", page)) throw new Error(`no page at ${url}`);
      if (push) history.pushState(null, "", arrived);
      this.#swap(page);
    } catch (problem) {
      if (!fields && visit !== this.#wanted) return;
      if (fields || !this.#mayLeave()) throw problem;
      location.assign(url);
    }
  }

  /** Reload a page from the back/forward cache; if that fails it stays as it is. */
  async again() {
    const visit = ++this.#wanted;
    const { page } = await fetchPage(location.href).catch(() => ({ page: null }));
    if (!page || visit !== this.#wanted) return;
    const followed = document.activeElement?.getAttribute("href");
    this.#swap(page);
    // Restore the keyboard focus.
    if (followed) find(`#page a[href="${CSS.escape(followed)}"]`)?.focus({ preventScroll: true });
  }

  async #moved() {
    // A link within the page, such as "skip to content", does not lead to another page.
    const same = (history.state?.entry ?? this.#entry) === this.#entry;
    if (same && isShown()) return;
    try {
      await this.go(location.href, { push: false });
    } catch (problem) {
      // The address must match what is shown, which is still the page before. The entry of a page
      // that no longer exists (404) is replaced, or nobody could go back past it.
      const keep = problem.status === 404 ? "replaceState" : "pushState";
      history[keep]({ entry: this.#entry }, "", shown);
      toast(whyNot(problem));
    }
  }

  #arrived() {
    this.#onarrive();
    // After `onarrive`, since a page may remove parameters from its address.
    nowShown();
    this.#entry = history.state?.entry ?? Math.random();
    history.replaceState({ entry: this.#entry }, "");
  }

  #swap(page) {
    const focused = find("#page").contains(document.activeElement);
    this.#left.set(this.#entry, { top: find("#main").scrollTop, list: reach(find("#page")) });
    document.title = page.title;
    document.body.className = page.body.className;
    document.body.dataset.csrf = page.body.dataset.csrf;
    find("#page").replaceWith(document.adoptNode(find("#page", page)));
    const panel = find("#call-host", page);
    if (panel && !find("[data-call-panel]")) {
      find("#call-host").replaceWith(document.adoptNode(panel));
    }
    find("#toasts").append(...[...find("#toasts", page).children].map((one) => document.adoptNode(one)));
    const before = this.#left.get(history.state?.entry);
    if (before) goOn(find("#page"), before.list);
    forgetStrings();
    this.#arrived();
    if (before) find("#main").scrollTop = before.top;
    // Move the keyboard focus into the new page, unless the page has placed it already.
    if (focused && document.activeElement === document.body) find("#main").focus({ preventScroll: true });
  }
}

/** Whether a click on this link navigates to another page in the same tab. */
export function isVisit(link, event) {
  if (event.defaultPrevented || event.button !== 0) return false;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return false;
  if (link.target || link.hasAttribute("download")) return false;
  const url = new URL(link.href, location.href);
  return /^https?:$/.test(url.protocol) && !isWithin(url);
}

/** Whether a page at this address can be shown without unloading the document. */
export function isOurPage(url) {
  if (url.origin !== location.origin || isWithin(url)) return false;
  return !/^\/(admin|accounts|static)\//.test(url.pathname);
}

/** Whether an address is a fragment of the current page. */
function isWithin(url) {
  return url.origin === location.origin && url.hash !== "" && url.pathname === location.pathname;
}

// The address of the page that is in the document.

let shown = "";

const address = () => location.pathname + location.search;

/** Note that the page at the current address is in the document. */
function nowShown() {
  shown = address();
}

/** Whether the current address is that of the page in the document. */
function isShown() {
  return address() === shown;
}

/** Remove these query parameters from the address, if it is that of the page shown. */
export function unask(...names) {
  if (!isShown()) return;
  const url = new URL(location.href);
  for (const name of names) url.searchParams.delete(name);
  if (url.href === location.href) return;
  history.replaceState(history.state, "", url);
  nowShown();
}
