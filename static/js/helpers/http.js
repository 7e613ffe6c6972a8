// Requests to our own pages.

/** POST form fields; resolves with the answer. Rejects unless it is a success. */
export async function post(url, fields = {}) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "X-CSRFToken": document.body.dataset.csrf },
    body: new URLSearchParams(fields),
    // What is posted as the page goes away still arrives.
    keepalive: true,
  });
  if (!answer.ok) throw new Error(`${answer.status} ${url}`);
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
      if (request.status === 200 && request.response) {
        resolve({ page: request.response, url: request.responseURL });
      } else {
        reject(new Error(`${request.status} ${url}`));
      }
    };
    request.onerror = () => reject(new Error(`no answer ${url}`));
    request.send(fields);
  });
}
