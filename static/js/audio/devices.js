// Which microphone and which speaker, remembered in this browser only: other devices have others.

import { remember, remembered } from "../helpers/storage.js";

/** Whether this browser lets a page choose the speaker. */
export function canChooseSpeaker() {
  return "setSinkId" in (globalThis.AudioContext?.prototype ?? {});
}

/** The device chosen, as getUserMedia wants it; empty for the browser's own choice. */
export function microphoneWanted() {
  const id = remembered("microphone");
  // "ideal": one that is unplugged today must not keep the person from calling.
  return id ? { deviceId: { ideal: id } } : {};
}

/** Let the context play where the person chose. */
export function routeToSpeaker(context) {
  const id = remembered("speaker") ?? "";
  if (!canChooseSpeaker() || (context.sinkId ?? "") === id) return Promise.resolve();
  return context.setSinkId(id).catch(() => {});
}

export function chosenDevice(kind) {
  return remembered(kind) ?? "";
}

export function chooseDevice(kind, id) {
  remember(kind, id || null);
}

/**
 * The devices the browser shows: {microphones, speakers} of {id, label}. Before the person has
 * allowed the microphone they have no names, and only the browser's own choice is listed.
 */
export async function listDevices() {
  const found = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
  const of = (kind) =>
    found
      .filter((one) => one.kind === kind && one.deviceId && one.deviceId !== "default" && one.label)
      .map(({ deviceId, label }) => ({ id: deviceId, label }));
  return { microphones: of("audioinput"), speakers: of("audiooutput") };
}
