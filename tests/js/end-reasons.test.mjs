import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  describeEnd, END_REASONS, mayReconnect, missingForVoice, reasonForClose, reasonForMicrophone,
} from "../../static/js/call/end-reasons.js";

const template = readFileSync(
  new URL("../../realtime/templates/realtime/strings.html", import.meta.url), "utf8",
);

for (const [reason, { tone }] of Object.entries(END_REASONS)) {
  if (tone === "quiet") continue;
  test(`${reason} says what happened and what to do`, () => {
    for (const part of ["title", "text", "remedy"]) {
      assert.ok(template.includes(`"end_${reason}_${part}":`), part);
    }
  });
}

for (const [code, reason] of [
  [1000, "hang_up"], [1009, "bad_frame"], [1011, "internal_error"], [1012, "server_stopping"],
  [4400, "bad_frame"], [4401, "signed_out"], [4403, "not_allowed"], [4404, "not_found"],
  [4408, "slow_reader"], [4409, "taken_over"], [4410, "socket_lost"], [4429, "flood"], [4502, "provider_unreachable"],
  [4504, "provider_timeout"], [1006, "socket_lost"],
]) {
  test(`close code ${code} means ${reason}`, () => assert.equal(reasonForClose(code), reason));
}

test("only a connection that broke is made again", () => {
  const codes = [1000, 1001, 1005, 1006, 1009, 1011, 1012, 1013, 4401, 4409, 4502];
  assert.deepEqual(codes.filter(mayReconnect), [1001, 1005, 1006, 1012, 1013]);
});

test("a reason of a newer server is shown like a failure of ours", () => {
  assert.equal(describeEnd("something_new"), END_REASONS.internal_error);
});

for (const [name, reason] of [
  ["NotAllowedError", "mic_blocked"], ["SecurityError", "mic_blocked"],
  ["NotFoundError", "mic_absent"], ["OverconstrainedError", "mic_absent"],
  ["NotReadableError", "mic_busy"], ["AbortError", "mic_busy"], ["TypeError", "mic_failed"],
]) {
  test(`${name} of the microphone means ${reason}`, () => {
    assert.equal(reasonForMicrophone({ name }), reason);
  });
}

const CAPABLE = {
  isSecureContext: true,
  navigator: { mediaDevices: { getUserMedia() {} } },
  AudioContext: class {},
  AudioWorkletNode: class {},
  WebSocket: class {},
};

test("a capable browser on a secure page lacks nothing", () => {
  assert.equal(missingForVoice(CAPABLE), null);
});

test("a page without https is named as such before anything else", () => {
  assert.equal(missingForVoice({ isSecureContext: false, navigator: {} }), "insecure");
});

for (const missing of ["AudioContext", "AudioWorkletNode", "WebSocket", "navigator"]) {
  test(`a browser without ${missing} is unsupported`, () => {
    const page = { ...CAPABLE, [missing]: missing === "navigator" ? {} : undefined };
    assert.equal(missingForVoice(page), "unsupported");
  });
}
