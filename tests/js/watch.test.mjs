import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Watch } from "../../static/js/call/watch.js";

class Socket {
  closed = 0;

  constructor() {
    sockets.push(this);
  }

  close() {
    this.closed += 1;
  }
}

let sockets;

beforeEach(() => {
  sockets = [];
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.WebSocket = Socket;
  globalThis.location = { href: "http://localhost:8000/c/1/" };
});

test("a watch that is given up at once never connects", () => {
  new Watch("/ws/watch/1/").close();
  mock.timers.tick(60_000);
  assert.equal(sockets.length, 0);
});

test("a watch that is given up tells nothing more and does not come back", () => {
  const watch = new Watch("/ws/watch/1/");
  const seen = [];
  watch.onevent = (event) => seen.push(event);
  mock.timers.tick(0);
  const [socket] = sockets;
  socket.onmessage({ data: '{"type": "nextvoice.saved"}' });
  watch.close();
  socket.onmessage({ data: '{"type": "nextvoice.removed"}' });
  socket.onclose({ code: 1006 });
  mock.timers.tick(60_000);
  assert.deepEqual([seen, socket.closed, sockets.length], [[{ type: "nextvoice.saved" }], 1, 1]);
});

test("a watch that is lost comes back, unless it may see no more", () => {
  new Watch("/ws/watch/1/");
  mock.timers.tick(0);
  sockets[0].onclose({ code: 1006 });
  mock.timers.tick(500);
  assert.equal(sockets.length, 2);
  sockets[1].onclose({ code: 4404 });
  mock.timers.tick(60_000);
  assert.equal(sockets.length, 2);
});
