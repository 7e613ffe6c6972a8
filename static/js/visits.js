// Moving about the site without leaving the page, so that a call goes on.

import { find } from "./helpers/dom.js";
import { fetchPage, whyNot } from "./helpers/http.js";
import { forgetStrings } from "./helpers/strings.js";
import { goOn, posted, reach } from "./panels/conversation-list.js";
import { toast } from "./panels/toasts.js";

/** Takes people to other pages of the site while the call and its panel stay. */
export class Visits {
  #onarrive;
  #mayLeave;
  #wanted = 0; // only the visit asked for last may arrive
  #entry; // name of the page in the document in the browser's history
  #left = new Map(); // where the person was in the pages that were left: {top, list} by entry

  /**
   * @param {() => void} onarrive the new page stands in the document
   * @param {() => boolean} mayLeave whether nothing is lost when the browser leaves the page
   */
  constructor(onarrive, mayLeave) {
    this.#onarrive = onarrive;
    this.#mayLeave = mayLeave;
    window.addEventListener("popstate", () => this.#moved());
  }

  /** The browser has loaded the first page. */
  begin() {
    this.#arrived();
  }

  /**
   * Bring in the page at `url`. When that does not work, go there as browsers do; rejects where
   * something was posted, or the page may not be left.
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

  /** Bring in anew what the browser kept of this page; where that does not work it stays as it is. */
  async again() {
    const visit = ++this.#wanted;
    const { page } = await fetchPage(location.href).catch(() => ({ page: null }));
    if (!page || visit !== this.#wanted) return;
    const followed = document.activeElement?.getAttribute("href");
    this.#swap(page);
    // The keyboard is where it left.
    if (followed) find(`#page a[href="${CSS.escape(followed)}"]`)?.focus({ preventScroll: true });
  }

  async #moved() {
    // A link within the page, such as the one that skips to its content, leads to no other page.
    const same = (history.state?.entry ?? this.#entry) === this.#entry;
    if (same && isShown()) return;
    try {
      await this.go(location.href, { push: false });
    } catch (problem) {
      // The address tells what is shown, which is still the page before. What is gone for good is
      // forgotten, or there would be no way past it.
      const keep = problem.status === 404 ? "replaceState" : "pushState";
      history[keep]({ entry: this.#entry }, "", shown);
      toast(whyNot(problem));
    }
  }

  #arrived() {
    this.#onarrive();
    // Afterwards: a page may take its wishes out of its address.
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
    // The keyboard goes on in the new page, unless that has a better place for it.
    if (focused && document.activeElement === document.body) find("#main").focus({ preventScroll: true });
  }
}

/** Whether a click on this link is one that goes to another page in this very tab. */
export function isVisit(link, event) {
  if (event.defaultPrevented || event.button !== 0) return false;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return false;
  if (link.target || link.hasAttribute("download")) return false;
  const url = new URL(link.href, location.href);
  return /^https?:$/.test(url.protocol) && !isWithin(url);
}

/** Whether an address is one that can be brought in. */
export function isOurPage(url) {
  if (url.origin !== location.origin || isWithin(url)) return false;
  return !/^\/(admin|accounts|static)\//.test(url.pathname);
}

/** Whether an address is a place in the page that is shown. */
function isWithin(url) {
  return url.origin === location.origin && url.hash !== "" && url.pathname === location.pathname;
}

// The address of the page that stands in the document.

let shown = "";

const address = () => location.pathname + location.search;

/** The page at the present address stands in the document. */
function nowShown() {
  shown = address();
}

/** Whether the present address is that of the page in the document. */
function isShown() {
  return address() === shown;
}

/** Ask no longer for what these names in the address say; another page's is left alone. */
export function unask(...names) {
  if (!isShown()) return;
  const url = new URL(location.href);
  for (const name of names) url.searchParams.delete(name);
  if (url.href === location.href) return;
  history.replaceState(history.state, "", url);
  nowShown();
}
