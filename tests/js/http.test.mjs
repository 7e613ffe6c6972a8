import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { fetchPage, post, upload, whyNot } from "../../static/js/helpers/http.js";

const HERE = "https://talk.example/c/1/?q=x";
const LOGIN = "https://talk.example/accounts/login/?next=/c/1/rename/";
const LEFT = "/accounts/login/?next=%2Fc%2F1%2F%3Fq%3Dx";
let left;

/** A fake XMLHttpRequest that gets its response at once. */
class RequestDouble {
  static answer = {};
  upload = {};
  open() {}
  setRequestHeader() {}

  send() {
    Object.assign(this, RequestDouble.answer);
    queueMicrotask(() => this.onload());
  }
}

beforeEach(() => {
  left = [];
  const { pathname, search } = new URL(HERE);
  globalThis.location = { href: HERE, pathname, search, assign: (url) => left.push(url) };
  const body = { dataset: { csrf: "token", login: "/accounts/login/" } };
  globalThis.document = { body, querySelector: () => null };
  globalThis.CSS = { escape: (text) => text };
  globalThis.XMLHttpRequest = RequestDouble;
});

function answers({ url, status = 200 }) {
  globalThis.fetch = async () => ({ url, status, ok: status < 400 });
  RequestDouble.answer = { responseURL: url, status, response: {} };
}

/** "done", "failed", or "waits" if it does not settle soon. */
async function outcome(promise) {
  const soon = new Promise((resolve) => setTimeout(() => resolve("waits"), 5));
  return Promise.race([promise.then(() => "done", () => "failed"), soon]);
}

const REQUESTS = {
  post: () => post("/c/1/rename/", { title: "t" }),
  fetchPage: () => fetchPage("/c/new/"),
  upload: () => upload("/c/1/attachments/", new File(["x"], "x.txt"), () => {}).done,
};

for (const [name, request] of Object.entries(REQUESTS)) {
  test(`${name}: where the session is over the person is taken to sign in, and back`, async () => {
    answers({ url: LOGIN });
    assert.equal(await outcome(request()), "waits");
    assert.deepEqual(left, [LEFT]);
  });

  test(`${name}: any other answer leaves the person where they are`, async () => {
    answers({ url: "https://talk.example/c/1/", status: name === "upload" ? 201 : 200 });
    assert.equal(await outcome(request()), "done");
    answers({ url: "https://talk.example/c/1/", status: 500 });
    assert.equal(await outcome(request()), "failed");
    assert.deepEqual(left, []);
  });

  test(`${name}: a page that is out of date, and what is gone, are told from a request that did not work`, async () => {
    const told = async (status) => {
      answers({ url: "https://talk.example/c/1/", status });
      return whyNot(await request().catch((problem) => problem));
    };
    const reasons = [await told(403), await told(404), await told(503)];
    assert.deepEqual(reasons, ["page_outdated", "not_there", "request_failed"]);
  });
}
