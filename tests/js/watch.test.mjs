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
  sockets[1].onclose({ code: 4401 });
  mock.timers.tick(60_000);
  assert.equal(sockets.length, 2);
});

test("that a conversation is gone is told once, and that it is there again", () => {
  const watch = new Watch("/ws/watch/1/");
  const told = [];
  watch.ongone = () => told.push("gone");
  watch.onback = () => told.push("back");
  mock.timers.tick(0);
  sockets[0].onmessage({ data: '{"type": "nextvoice.watching"}' });
  sockets[0].onclose({ code: 4404 });
  mock.timers.tick(500);
  sockets[1].onclose({ code: 4404 });
  mock.timers.tick(1000);
  sockets[2].onclose({ code: 1006 });
  assert.deepEqual(told, ["gone"]);
  mock.timers.tick(2000);
  sockets[3].onmessage({ data: '{"type": "nextvoice.watching"}' });
  sockets[3].onmessage({ data: '{"type": "nextvoice.watching"}' });
  assert.deepEqual(told, ["gone", "back"]);
});

test("that a call is over is told, whether it was the one that is shown or one it took over from", () => {
  const watch = new Watch("/ws/watch/1/");
  const told = [];
  watch.oncall = (call) => told.push(call?.id ?? null);
  watch.onover = ({ call_id: id, duration_ms: durationMs }) => told.push([id, durationMs]);
  mock.timers.tick(0);
  const take = (event) => sockets[0].onmessage({ data: JSON.stringify({ type: "nextvoice.call", ...event }) });
  take({ call_id: "first", live: true, spoken: true, duration_ms: 0 });
  take({ call_id: "second", live: true, spoken: true, duration_ms: 0 });
  take({ call_id: "first", live: false, spoken: true, duration_ms: 7000 });
  take({ call_id: "second", live: false, spoken: true, duration_ms: 9000 });
  assert.deepEqual(told, ["first", "second", ["first", 7000], ["second", 9000], null]);
});
