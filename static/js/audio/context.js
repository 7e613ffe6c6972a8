// The page's only AudioContext and the devices it uses. Phones allow few contexts, and only after a
// user gesture.

import { remember, remembered } from "../helpers/storage.js";

// Firefox must not be asked for its latency: it waits for the sound server while it holds its audio
// lock, and on Linux the sound server may be waiting for that lock. The page then hangs for good,
// mostly when an answer begins. Where Firefox does report a latency, it is 32 to 50 ms.
const ASKABLE = !/ Gecko\//.test(globalThis.navigator?.userAgent ?? "");
const FIREFOX_MS = 40;

let context = null;
const users = new Set();
const loaded = new Map(); // worklet address -> promise

/** The context, created on the first call and resumed. Call this inside a user gesture. */
export function audioContext() {
  if (!context || context.state === "closed") {
    context = new AudioContext({ latencyHint: "interactive" });
    loaded.clear();
    routeToSpeaker(context);
  }
  if (context.state !== "running") context.resume().catch(() => {});
  return context;
}

/** Start the audio, if the browser has any. Browsers allow it only inside a user gesture. */
export function switchOnSound() {
  if (globalThis.AudioContext) audioContext();
}

/** The context, kept running for `user` until `leaveAudio`. */
export function useAudio(user) {
  users.add(user);
  return audioContext();
}

/** Suspend the context after its last user: a running one keeps the device and a phone awake. */
export function leaveAudio(user) {
  users.delete(user);
  if (users.size === 0 && context?.state === "running") context.suspend().catch(() => {});
}

/** Load a worklet module once. Rejects if that fails; the next call tries again. */
export function loadWorklet(url) {
  const target = audioContext();
  if (!loaded.has(url)) {
    const loading = target.audioWorklet.addModule(url);
    loading.catch(() => loaded.delete(url));
    loaded.set(url, loading);
  }
  return loaded.get(url);
}

/** The delay from rendering to the speaker, in ms. */
export function latencyMs() {
  return ASKABLE ? (context.outputLatency || context.baseLatency || 0) * 1000 : FIREFOX_MS;
}

// The chosen microphone and speaker, remembered in this browser only: other devices have others.

/** Whether this browser lets a page choose the speaker. */
export function canChooseSpeaker() {
  return "setSinkId" in (globalThis.AudioContext?.prototype ?? {});
}

/** The chosen microphone as a getUserMedia constraint; empty for the browser's default. */
export function microphoneWanted() {
  const id = remembered("microphone");
  // "ideal", so that a missing device does not prevent a call.
  return id ? { deviceId: { ideal: id } } : {};
}

/** Send the context's output to the chosen speaker. */
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
 * The devices the browser reveals: {microphones, speakers}, lists of {id, label}. Until microphone
 * access is granted they have no labels, and both lists are empty.
 */
export async function listDevices() {
  const found = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
  const of = (kind) =>
    found
      .filter((one) => one.kind === kind && one.deviceId && one.deviceId !== "default" && one.label)
      .map(({ deviceId, label }) => ({ id: deviceId, label }));
  return { microphones: of("audioinput"), speakers: of("audiooutput") };
}
