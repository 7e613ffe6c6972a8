// Requests to our own pages. Where the session is over the person is taken to sign in, and back;
// nothing is told to who asked, since the page goes away.

import { t } from "./strings.js";

/** POST form fields; resolves with the answer. Rejects unless it is a success. */
export async function post(url, fields = {}) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "X-CSRFToken": document.body.dataset.csrf },
    body: new URLSearchParams(fields),
    // What is posted as the page goes away still arrives.
    keepalive: true,
  });
  if (leavesToSignIn(answer.url)) return never();
  if (!answer.ok) throw refusal(answer.status, url);
  return answer;
}

/**
 * Get a page as a document whose scripts do not run.
 * XMLHttpRequest parses it, because parsing strings is closed under Trusted Types.
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

// Other tabs sign in, which makes the token of this page an old one, and delete what it shows.
const REASONS = { 403: "page_outdated", 404: "not_there" };

/** Why a request failed, in the person's language. */
export function whyNot(problem) {
  return t(REASONS[problem.status] ?? "request_failed");
}

function refusal(status, url) {
  return Object.assign(new Error(`${status} ${url}`), { status });
}

/** Whether an answer is the page where people sign in; then the browser is on its way there. */
function leavesToSignIn(url) {
  const { login } = document.body.dataset;
  if (!login || new URL(url, location.href).pathname !== login || location.pathname === login) return false;
  location.assign(`${login}?next=${encodeURIComponent(location.pathname + location.search)}`);
  return true;
}

function never() {
  return new Promise(() => {});
}
