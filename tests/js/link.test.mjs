import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { CallLink } from "../../static/js/call/link.js";

/** A fake WebSocket, without a network. */
class WebSocketDouble {
  static made = [];
  readyState = 0;
  bufferedAmount = 0;
  sent = [];

  constructor(url) {
    this.url = url;
    WebSocketDouble.made.push(this);
  }

  send(frame) {
    if (this.stuck) this.bufferedAmount += frame.byteLength;
    this.sent.push(typeof frame === "string" ? JSON.parse(frame) : frame);
  }

  close(code = null) {
    this.readyState = 3;
    this.closedWith = code;
  }

  // Events of the network.
  opens() {
    this.readyState = 1;
    this.onopen();
  }

  says(event) {
    this.onmessage({ data: event instanceof ArrayBuffer ? event : JSON.stringify(event) });
  }

  breaks(code = 1006) {
    this.readyState = 3;
    this.onclose({ code });
  }
}

const READY = { type: "nextvoice.ready", call_id: "c1" };
const RESUME = { token: "t".repeat(32), seconds: 15 };
const PCM = new ArrayBuffer(1920);

globalThis.WebSocket = WebSocketDouble;
globalThis.location = { href: "https://talk.example/c/1/" };
Object.defineProperty(globalThis, "navigator", { value: { onLine: false }, configurable: true });

beforeEach(() => {
  WebSocketDouble.made = [];
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

function dial({ resume } = {}) {
  const told = [];
  const link = new CallLink("/ws/call/1/", () => ({ voice: "marin" }));
  link.onevent = (event) => told.push(event.type);
  link.onaudio = (id, pcm) => told.push(`${id}:${pcm.byteLength}`);
  for (const name of ["lost", "resumed", "restart"]) link[`on${name}`] = () => told.push(name);
  link.onfailed = (reason) => told.push(`failed:${reason}`);
  link.begin();
  const socket = WebSocketDouble.made.at(-1);
  socket.opens();
  socket.says(resume ? { ...READY, resume } : READY);
  return { link, socket, told };
}

/** The socket that was opened after the previous one broke. */
function next() {
  mock.timers.tick(0);
  const socket = WebSocketDouble.made.at(-1);
  socket.opens();
  return socket;
}

test("a call begins with its start and then sends what it is given", () => {
  const { link, socket, told } = dial();
  link.send({ type: "response.create" });
  link.sendAudio(PCM);
  assert.deepEqual(socket.sent, [{ type: "nextvoice.start", voice: "marin" }, { type: "response.create" }, PCM]);
  assert.deepEqual(told, ["nextvoice.ready"]);
});

test("a socket that is open before the call begins says nothing until it does", () => {
  const link = new CallLink("/ws/call/1/", () => ({ voice: "marin" }));
  const [socket] = WebSocketDouble.made;
  socket.opens();
  assert.deepEqual(socket.sent, []);
  link.begin();
  assert.deepEqual(socket.sent, [{ type: "nextvoice.start", voice: "marin" }]);
});

test("a call begins over another socket where the one that was open before it is closed", () => {
  const ways = {
    "in time": () => mock.timers.tick(8000),
    "by itself": (socket) => socket.breaks(1000),
    "with a word": (socket) => socket.says({ type: "nextvoice.ended", reason: "no_start" }),
  };
  for (const [how, closes] of Object.entries(ways)) {
    WebSocketDouble.made = [];
    const told = [];
    const link = new CallLink("/ws/call/1/", () => ({ voice: "marin" }));
    link.onevent = (event) => told.push(event.type);
    link.onfailed = (reason) => told.push(reason);
    const [first] = WebSocketDouble.made;
    first.opens();
    closes(first);
    assert.deepEqual([first.readyState, told], [3, []], how);
    link.begin();
    const second = WebSocketDouble.made.at(-1);
    second.opens();
    assert.deepEqual(second.sent, [{ type: "nextvoice.start", voice: "marin" }], how);
    assert.equal(WebSocketDouble.made.length, 2, how);
  }
});

test("a lost socket is followed at once by one that says what arrived", () => {
  const { socket, told } = dial({ resume: RESUME });
  socket.says({ type: "nextvoice.audio", item_id: "a" });
  socket.says(PCM);
  socket.breaks();
  const second = next();
  assert.deepEqual(second.sent, [
    { type: "nextvoice.resume", call_id: "c1", token: RESUME.token, received: 3 },
  ]);
  second.says({ type: "nextvoice.resumed", received: 0 });
  // The audio continues without another `nextvoice.audio`.
  second.says(PCM);
  assert.deepEqual(told, ["nextvoice.ready", "nextvoice.audio", "a:1920", "lost", "resumed", "a:1920"]);
});

test("what the server has not got is sent again before what came meanwhile", () => {
  const { link, socket } = dial({ resume: RESUME });
  link.send({ type: "a" });
  link.send({ type: "b" });
  socket.breaks();
  link.send({ type: "c" });
  const second = next();
  second.says({ type: "nextvoice.resumed", received: 1 });
  assert.deepEqual(second.sent.slice(1), [{ type: "b" }, { type: "c" }]);
});

test("frames are counted over several losses, the answer to a resume is not", () => {
  const { socket } = dial({ resume: RESUME });
  socket.breaks();
  const second = next();
  second.says({ type: "nextvoice.resumed", received: 0 });
  second.says({ type: "response.created" });
  second.breaks();
  assert.equal(next().sent[0].received, 2);
});

test("the server is told now and then what has arrived, so that it need not keep it", () => {
  const { socket } = dial({ resume: RESUME });
  socket.says({ type: "nextvoice.audio", item_id: "a" });
  for (let n = 0; n < 17; n += 1) socket.says(PCM);
  assert.deepEqual(socket.sent.slice(1), [{ type: "nextvoice.received", received: 19 }]);
  for (let n = 0; n < 17; n += 1) socket.says(PCM);
  assert.deepEqual(socket.sent.slice(2), [{ type: "nextvoice.received", received: 36 }]);
});

for (const how of ["said", "closed"]) {
  test(`a call that cannot be resumed (${how}) is begun anew in the same conversation`, () => {
    const { socket, told } = dial({ resume: RESUME });
    socket.breaks();
    const second = next();
    if (how === "said") second.says({ type: "nextvoice.ended", reason: "not_resumable" });
    second.breaks(4410);
    mock.timers.tick(250);
    const third = WebSocketDouble.made.at(-1);
    third.opens();
    assert.deepEqual(third.sent, [{ type: "nextvoice.start", voice: "marin" }]);
    third.says({ ...READY, call_id: "c2", resume: RESUME });
    assert.deepEqual(told, ["nextvoice.ready", "lost", "restart", "nextvoice.ready"]);
  });
}

test("where the server offers no resume a new call is begun at once", () => {
  const { socket, told } = dial();
  socket.breaks(1012);
  assert.deepEqual(next().sent, [{ type: "nextvoice.start", voice: "marin" }]);
  assert.deepEqual(told, ["nextvoice.ready", "lost", "restart"]);
});

test("a server that stops hands over to the next one", () => {
  const { socket, told } = dial({ resume: RESUME });
  socket.says({ type: "nextvoice.ended", reason: "server_stopping" });
  socket.breaks(1012);
  assert.equal(next().sent[0].type, "nextvoice.start");
  assert.deepEqual(told, ["nextvoice.ready", "lost", "restart"]);
});

test("a call that moves tries on where there is no room for it yet", () => {
  const { socket, told } = dial({ resume: RESUME });
  socket.says({ type: "nextvoice.ended", reason: "server_stopping" });
  socket.breaks(1012);
  for (const wait of [0, 250, 500]) {
    mock.timers.tick(wait);
    const other = WebSocketDouble.made.at(-1);
    other.opens();
    assert.deepEqual(other.sent, [{ type: "nextvoice.start", voice: "marin" }]);
    other.says({ type: "nextvoice.ended", reason: "server_busy" });
    other.breaks(1013);
  }
  assert.equal(WebSocketDouble.made.length, 4);
  assert.deepEqual(told, ["nextvoice.ready", "lost", "restart"]);
});

test("a call that never finds room again ends for that reason", (context) => {
  const { socket, told } = dial({ resume: RESUME });
  socket.says({ type: "nextvoice.ended", reason: "server_stopping" });
  socket.breaks(1012);
  const other = next();
  other.says({ type: "nextvoice.ended", reason: "server_busy" });
  const later = performance.now() + 61_000;
  context.mock.method(performance, "now", () => later);
  other.breaks(1013);
  assert.deepEqual(told, ["nextvoice.ready", "lost", "restart", "failed:server_busy"]);
});

test("a new call that there is no room for is told so", () => {
  const link = new CallLink("/ws/call/1/", () => ({}));
  const told = [];
  link.onevent = (event) => told.push(event.reason);
  link.begin();
  WebSocketDouble.made.at(-1).opens();
  WebSocketDouble.made.at(-1).says({ type: "nextvoice.ended", reason: "server_busy" });
  assert.deepEqual(told, ["server_busy"]);
});

test("a resume is tried no longer than the server keeps the call", () => {
  const { socket } = dial({ resume: { ...RESUME, seconds: -1 } });
  socket.breaks();
  assert.equal(next().sent[0].type, "nextvoice.start");
});

test("after a sleep a call that is gone is not begun anew unasked, one that is there goes on", (context) => {
  const morning = Date.now() + 3_600_000;
  const asleep = dial({ resume: RESUME });
  const dozed = dial({ resume: RESUME });
  const off = dial();
  context.mock.method(Date, "now", () => morning);
  for (const { socket } of [asleep, dozed]) socket.breaks();
  const [first, second] = [next(), WebSocketDouble.made.at(-2)];
  second.opens();
  second.breaks(4410);
  first.says({ type: "nextvoice.resumed", received: 0 });
  off.socket.breaks();
  assert.deepEqual(asleep.told, ["nextvoice.ready", "lost", "failed:browser_gone"]);
  assert.deepEqual(dozed.told, ["nextvoice.ready", "lost", "resumed"]);
  assert.deepEqual(off.told, ["nextvoice.ready", "lost", "failed:browser_gone"]);
  const before = WebSocketDouble.made.length;
  mock.timers.tick(5000);
  assert.equal(WebSocketDouble.made.length, before);
});

test("attempts follow each other after 0, 250, 500, 1000 and then every 2000 ms", () => {
  const { socket } = dial({ resume: RESUME });
  socket.breaks();
  for (const wait of [0, 250, 500, 1000, 2000, 2000]) {
    const before = WebSocketDouble.made.length;
    mock.timers.tick(Math.max(0, wait - 1));
    assert.equal(WebSocketDouble.made.length, wait === 0 ? before + 1 : before);
    mock.timers.tick(wait === 0 ? 0 : 1);
    assert.equal(WebSocketDouble.made.length, before + 1);
    WebSocketDouble.made.at(-1).breaks();
  }
});

test("an end the server gives reasons for is no loss", () => {
  const { socket, told } = dial({ resume: RESUME });
  socket.breaks(4409);
  assert.deepEqual(told, ["nextvoice.ready", "failed:taken_over"]);
});

test("a failure of ours is tried again only where the call can be resumed", () => {
  assert.deepEqual([dial(), dial({ resume: RESUME })].map(({ socket, told }) => {
    socket.breaks(1011);
    return told.at(-1);
  }), ["failed:internal_error", "lost"]);
});

test("sound said while away arrives after the resume, the newest 1.8 seconds of it", () => {
  const { link, socket } = dial({ resume: RESUME });
  socket.breaks();
  for (let at = 0; at < 60; at++) link.sendAudio(new Int16Array(960).fill(at).buffer);
  const second = next();
  second.says({ type: "nextvoice.resumed", received: 0 });
  const sound = second.sent.slice(1);
  assert.deepEqual([sound.length, new Int16Array(sound[0])[0]], [45, 15]);
  assert.equal(link.counters.framesDropped, 15);
});

test("a line that the server says is there, and then says nothing for 8 seconds, is let go", (context) => {
  const { socket, told, link } = dial({ resume: RESUME });
  const plain = dial({ resume: RESUME });
  const began = performance.now();
  let seconds = 0;
  context.mock.method(performance, "now", () => began + 1000 * seconds);
  const pass = (by) => {
    for (let n = 0; n < by; n++) {
      seconds += 1;
      link.sendAudio(PCM);
      mock.timers.tick(1000);
    }
  };
  socket.says({ type: "nextvoice.beat" });
  pass(7);
  socket.says({ type: "nextvoice.beat" });
  pass(7);
  assert.deepEqual(told, ["nextvoice.ready"]);
  pass(4);
  assert.deepEqual(told, ["nextvoice.ready", "lost"]);
  const again = next();
  // Nobody counts a beat.
  assert.equal(again.sent[0].received, 1);
  assert.deepEqual(plain.told, ["nextvoice.ready"]);
});

test("words that went into a line that was dead already, and are too old, are told as lost", () => {
  const { link, socket, told } = dial({ resume: RESUME });
  link.onspeechlost = () => told.push("speech lost");
  for (let n = 0; n < 100; n++) link.sendAudio(new Int16Array(960).fill(8000).buffer);
  socket.breaks();
  mock.timers.tick(0);
  const next = WebSocketDouble.made.at(-1);
  next.opens();
  assert.equal(told.includes("speech lost"), false);
  next.says({ type: "nextvoice.resumed", received: 30 });
  assert.deepEqual(told.slice(-2), ["resumed", "speech lost"]);
});

test("a line that takes nothing for 5 seconds is let go as lost, and another is tried", (context) => {
  let now = 1000;
  context.mock.method(performance, "now", () => now);
  const { link, socket, told } = dial({ resume: RESUME });
  socket.stuck = true;
  for (; now <= 6000; now += 1000) link.sendAudio(PCM);
  assert.equal(told.at(-1), "nextvoice.ready");
  link.sendAudio(PCM);
  assert.deepEqual([told.at(-1), socket.closedWith], ["lost", null]);
  assert.equal(next().sent[0].type, "nextvoice.resume");
});

test("a line on which nothing comes for 10 seconds after a message is let go as lost", () => {
  for (const answer of [null, { type: "conversation.item.added" }]) {
    const { link, socket, told } = dial({ resume: RESUME });
    link.send({ type: "conversation.item.create" });
    mock.timers.tick(9999);
    if (answer) socket.says(answer);
    mock.timers.tick(1);
    assert.equal(told.at(-1), answer ? answer.type : "lost");
    if (answer) continue;
    const second = next();
    second.says({ type: "nextvoice.resumed", received: 0 });
    // What the server lacks is sent again, but only a new message starts the timer.
    assert.deepEqual(second.sent.slice(1), [{ type: "conversation.item.create" }]);
    mock.timers.tick(60_000);
    assert.equal(told.at(-1), "resumed");
  }
});

test("leaving says goodbye after the last account, and resolves when the server has closed", async () => {
  const { link, socket } = dial({ resume: RESUME });
  const leaving = link.leave(Promise.resolve().then(() => link.send({ type: "nextvoice.played" })));
  await Promise.resolve().then(() => {}).then(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(socket.sent.slice(1).map(({ type }) => type), ["nextvoice.played", "nextvoice.hang_up"]);
  socket.breaks(1000);
  await leaving;
  assert.equal(WebSocketDouble.made.length, 1);
});
