import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { STATES } from "../../static/js/call/state.js";
import { fill } from "../../static/js/helpers/strings.js";

const root = new URL("../../", import.meta.url);
const written = ["chats/templates/chats/strings.html", "realtime/templates/realtime/strings.html"]
  .map((path) => readFileSync(new URL(path, root), "utf8"))
  .join("\n");
const known = new Set([...written.matchAll(/^"(\w+)":/gm)].map((match) => match[1]));

function scripts(folder) {
  return readdirSync(new URL(folder, root), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? scripts(`${folder}${entry.name}/`) : [`${folder}${entry.name}`],
  );
}

test("holes are filled, and those without a value stay", () => {
  assert.equal(fill("{a} of {b}", { a: 1 }), "1 of {b}");
});

test("every string that a script names is written in a template", () => {
  const named = scripts("static/js/").flatMap((path) => {
    const source = readFileSync(new URL(path, root), "utf8");
    return [...source.matchAll(/\bt\("(\w+)"/g)].map((match) => match[1]);
  });
  assert.deepEqual([...new Set(named)].filter((key) => !known.has(key)), []);
});

test("every state of a call has a name", () => {
  assert.deepEqual(STATES.filter((state) => !known.has(`state_${state}`)), []);
});
