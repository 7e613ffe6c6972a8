import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Watch } from "../../static/js/call/watch.js";

class Socket {
  static CONNECTING = 0;
  readyState = Socket.CONNECTING;
  closed = 0;

  constructor() {
    sockets.push(this);
  }

  close() {
    // What browsers write an error into their console for.
    assert.notEqual(this.readyState, Socket.CONNECTING);
    this.closed += 1;
  }

  open() {
    this.readyState = 1;
    this.onopen?.();
  }
}

let sockets;

beforeEach(() => {
  sockets = [];
  globalThis.WebSocket = Socket;
  globalThis.location = { href: "http://localhost:8000/c/1/" };
});

test("a watch that is given up while it connects is closed once it is open", () => {
  const watch = new Watch("/ws/watch/1/");
  const seen = [];
  watch.onevent = (event) => seen.push(event);
  watch.close();
  const [socket] = sockets;
  assert.equal(socket.closed, 0);
  socket.open();
  assert.equal(socket.closed, 1);
  socket.onmessage({ data: '{"type": "nextvoice.saved"}' });
  assert.deepEqual(seen, []);
  socket.onclose({ code: 1006 });
  assert.equal(sockets.length, 1);
});

test("an open watch is closed at once", () => {
  const watch = new Watch("/ws/watch/1/");
  sockets[0].open();
  watch.close();
  assert.equal(sockets[0].closed, 1);
});
