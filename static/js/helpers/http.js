// Requests to our own pages. If the session has ended, the person is sent to sign in and then back
// here; the caller's promise stays pending, since the page is unloading.

import { t } from "./strings.js";

/** POST form fields; resolves with the response. Rejects unless its status is a success. */
export async function post(url, fields = {}) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "X-CSRFToken": document.body.dataset.csrf },
    body: new URLSearchParams(fields),
    // A request made while the page unloads is still sent.
    keepalive: true,
  });
  if (leavesToSignIn(answer.url)) return never();
  if (!answer.ok) throw refusal(answer.status, url);
  return answer;
}

/**
 * Get a page as a document whose scripts do not run.
 * XMLHttpRequest parses it, because Trusted Types do not allow strings to be parsed.
 * @param {string} url
 * @param {FormData|null} fields posted when given
 * @returns {Promise<{page: Document, url: string}>} `url` after redirects
 */
export function fetchPage(url, fields = null) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(fields ? "POST" : "GET", url);
    if (fields) request.setRequestHeader("X-CSRFToken", document.body.dataset.csrf);
    request.responseType = "document";
    request.onload = () => {
      if (leavesToSignIn(request.responseURL)) return;
      if (request.status === 200 && request.response) {
        resolve({ page: request.response, url: request.responseURL });
      } else {
        reject(refusal(request.status, url));
      }
    };
    request.onerror = () => reject(new Error(`no answer ${url}`));
    request.send(fields);
  });
}

/**
 * Upload a file as the field `file`. `done` rejects with an Error whose `told` is the server's
 * reason in the person's language, if it gave one.
 * @param {string} url  @param {File} file  @param {(part: number) => void} onprogress 0 to 1
 * @returns {{done: Promise<object>, cancel: () => void}}
 */
export function upload(url, file, onprogress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    const fail = () => reject(Object.assign(refusal(request.status, url), { told: request.response?.message }));
    request.open("POST", url);
    request.setRequestHeader("X-CSRFToken", document.body.dataset.csrf);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => onprogress(total ? loaded / total : 0);
    request.onload = () => leavesToSignIn(request.responseURL) || (request.status === 201 ? resolve(request.response) : fail());
    request.onerror = request.onabort = fail;
  });
  const form = new FormData();
  form.append("file", file, file.name);
  request.send(form);
  return { done, cancel: () => request.abort() };
}

// Signing in from another tab invalidates this page's CSRF token (403); another tab may also have
// deleted what this page shows (404).
const REASONS = { 403: "page_outdated", 404: "not_there" };

/** Why a request failed, in the person's language. */
export function whyNot(problem) {
  return t(REASONS[problem.status] ?? "request_failed");
}

function refusal(status, url) {
  return Object.assign(new Error(`${status} ${url}`), { status });
}

/** Whether a response is the sign-in page; if so, navigates there. */
function leavesToSignIn(url) {
  const { login } = document.body.dataset;
  if (!login || new URL(url, location.href).pathname !== login || location.pathname === login) return false;
  location.assign(`${login}?next=${encodeURIComponent(location.pathname + location.search)}`);
  return true;
}

function never() {
  return new Promise(() => {});
}
