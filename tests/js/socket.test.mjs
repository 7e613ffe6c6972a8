import assert from "node:assert/strict";
import { test } from "node:test";

import { socketUrl } from "../../static/js/call/socket.js";

test("a path becomes the secure socket of a secure page", () => {
  const page = { href: "https://talk.example/c/1/" };
  assert.equal(socketUrl("/ws/call/1/", page), "wss://talk.example/ws/call/1/");
});

test("a page without TLS has a socket without TLS, on its port", () => {
  const page = { href: "http://localhost:8000/c/1/" };
  assert.equal(socketUrl("/ws/call/1/", page), "ws://localhost:8000/ws/call/1/");
});

test("an address that is whole already stays", () => {
  const page = { href: "https://talk.example/" };
  assert.equal(socketUrl("wss://other.example/ws", page), "wss://other.example/ws");
});
