import assert from "node:assert/strict";
import { test } from "node:test";

import { Responses } from "../../static/js/call/state.js";

test("what is on its way still of an answer that was refused is unwanted", () => {
  const responses = new Responses();
  responses.begin("resp_1");
  assert.equal(responses.refuse(), true);
  assert.equal(responses.refuse(), false);
  assert.equal(responses.isUnwanted("resp_1"), true);
  assert.equal(responses.isUnwanted("resp_2"), false);
});

test("an answer under the id of one that was refused is another one", () => {
  const responses = new Responses();
  responses.begin("resp_1");
  responses.refuse();
  responses.begin("resp_1");
  assert.equal(responses.isUnwanted("resp_1"), false);
});

test("the end of an answer that is told late is not that of the next one", () => {
  const responses = new Responses();
  responses.begin("resp_1");
  responses.begin("resp_2");
  assert.equal(responses.done("resp_1"), false);
  assert.equal(responses.refuse(), true);
  responses.begin("resp_3");
  assert.equal(responses.done("resp_2"), false);
  assert.equal(responses.done("resp_3"), true);
  assert.equal(responses.making, false);
});

test("the end of the refused answer itself is one", () => {
  const responses = new Responses();
  responses.begin("resp_1");
  responses.refuse();
  assert.equal(responses.done("resp_1"), true);
});

for (const id of ["", "resp_of_nobody"]) {
  test(`an end under the id "${id}" is that of the answer that is being made`, () => {
    const responses = new Responses();
    responses.begin("resp_1");
    responses.begin("resp_2");
    assert.equal(responses.done(id), true);
    assert.equal(responses.making, false);
  });
}

test("an answer under an id that was used before has its end", () => {
  const responses = new Responses();
  for (let turn = 0; turn < 2; turn += 1) {
    responses.begin("resp_1");
    assert.equal(responses.done("resp_1"), true);
  }
});
