import assert from "node:assert/strict";
import { test } from "node:test";

import { Costs } from "../../static/js/call/costs.js";
import { add, isZero, money } from "../../static/js/call/costs.js";

for (const [a, b, sum] of [
  ["0.1", "0.2", "0.30"], ["0.000000000001", "9007199254740993.5", "9007199254740993.500000000001"],
  ["1.00", "-0.25", "0.75"], ["-0.0005", "0.00", "-0.0005"], ["0", "0.00", "0.00"], ["-0.2", "0.2", "0.00"],
]) {
  test(`${a} and ${b} make ${sum}`, () => assert.equal(add(a, b), sum));
}

test("nothing is told from next to nothing", () => {
  assert.deepEqual(["0", "0.00", "-0.000", "0.000001"].map(isZero), [true, true, true, false]);
});

for (const [amount, currency, shown] of [
  ["0.00", "USD", "$0.00"], ["0.0123", "USD", "$0.0123"], ["12.3456", "USD", "$12.35"],
  ["0.00000042", "USD", "< $0.0001"], ["3.5", "CNY", "CN¥3.50"], ["3.5", "gold", "3.5 gold"],
]) {
  test(`${amount} ${currency} is shown as ${shown}`, () => assert.equal(money(amount, currency, { locale: "en" }), shown));
}

function cost(key, amount, totals, more = {}) {
  return {
    type: "nextvoice.cost", key, kind: "response", correction: false, cost: amount, currency: "USD",
    source: "reported", status: "completed", counts: {}, parts: {}, totals, unpriced: 0, context: null, text: "", ...more,
  };
}

test("what a call cost is what the server says, and what the calls before it cost that it goes on from", () => {
  const costs = new Costs();
  costs.begin("one");
  costs.take(cost("a", "0.10", { USD: "0.10" }));
  costs.begin("two");
  costs.take(cost("b", "0.20", { USD: "0.20" }));
  costs.take(cost("c", "1.00", { USD: "0.20", CNY: "1.00" }, { currency: "CNY" }));
  assert.deepEqual(costs.totals, [["USD", "0.30"], ["CNY", "1.00"]]);
  assert.deepEqual(costs.turns.map((turn) => turn.key), ["c", "b", "a"]);
  costs.clear();
  assert.deepEqual([costs.totals, costs.turns], [[], []]);
});

test("an event that comes twice counts once", () => {
  const costs = new Costs();
  costs.take(cost("a", "0.10", { USD: "0.10" }));
  costs.take(cost("a", "0.10", { USD: "0.10" }));
  assert.deepEqual([costs.totals, costs.turns.length], [[["USD", "0.10"]], 1]);
});

test("a correction holds the difference", () => {
  const costs = new Costs();
  costs.take(cost("a", "0.10", { USD: "0.10" }, { source: "estimated", counts: { audio_out: 20, seconds: "1.50" }, parts: { audio_out: "0.10" } }));
  const more = { correction: true, counts: { audio_out: -5, seconds: "-0.50" }, parts: { audio_out: "-0.03" }, text: "Put right." };
  costs.take(cost("a", "-0.03", { USD: "0.07" }, more));
  const [{ cost: sum, source, corrected, counts, parts, text }] = costs.turns;
  assert.deepEqual(
    [sum, source, corrected, counts, parts, text],
    ["0.07", "reported", true, { audio_out: 15, seconds: "1.00" }, { audio_out: "0.07" }, "Put right."],
  );
});

test("free is not the same as without a price", () => {
  const costs = new Costs();
  costs.take({ type: "nextvoice.quota", priced: true, free: true, limits: [] });
  assert.equal(costs.free, true);
  costs.take(cost("a", null, {}, { unpriced: 1 }));
  assert.deepEqual([costs.free, costs.unpriced], [false, 1]);
});

test("the tightest limit is the one of which the least part is left", () => {
  const costs = new Costs();
  const limits = [["money_month", "100", "20"], ["calls", "1", "0"], ["minutes_day", "60", "6"], ["money_day", "0", "0"]].map(
    ([what, most, left]) => ({ what, most, left }),
  );
  costs.take({ type: "nextvoice.quota", limits: limits.slice(0, 3) });
  assert.equal(costs.tightest.what, "minutes_day");
  costs.take({ type: "nextvoice.quota", limits });
  assert.equal(costs.tightest.what, "money_day");
});
