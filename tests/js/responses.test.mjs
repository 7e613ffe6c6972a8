import assert from "node:assert/strict";
import { test } from "node:test";

import { Responses } from "../../static/js/call/responses.js";

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
