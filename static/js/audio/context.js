// The one audio context of the page, and the devices it uses. Phones allow few, and only from a tap.

import { remember, remembered } from "../helpers/storage.js";

// Firefox must not be asked for its latency: it waits for the sound server's answer with its audio
// locked, and on Linux the sound server may be waiting for that audio. Then the page stands still for
// good, mostly when an answer begins. What it says where it answers is 32 to 50 ms.
const ASKABLE = !/ Gecko\//.test(globalThis.navigator?.userAgent ?? "");
const FIREFOX_MS = 40;

let context = null;
const users = new Set();
const loaded = new Map(); // worklet address -> promise

/** The context, made on the first call. Call this inside the person's tap. */
export function audioContext() {
  if (!context || context.state === "closed") {
    context = new AudioContext({ latencyHint: "interactive" });
    loaded.clear();
    routeToSpeaker(context);
  }
  if (context.state !== "running") context.resume().catch(() => {});
  return context;
}

/** Switch the sound on, where there is any. It may be only inside the person's tap. */
export function switchOnSound() {
  if (globalThis.AudioContext) audioContext();
}

/** The context, kept awake for `user` until it leaves. */
export function useAudio(user) {
  users.add(user);
  return audioContext();
}

/** Where nobody is left the device may rest: a context that runs keeps it, and a phone, awake. */
export function leaveAudio(user) {
  users.delete(user);
  if (users.size === 0 && context?.state === "running") context.suspend().catch(() => {});
}

/** Load a worklet module once. Rejects when the browser cannot. */
export function loadWorklet(url) {
  const target = audioContext();
  if (!loaded.has(url)) {
    const loading = target.audioWorklet.addModule(url);
    loading.catch(() => loaded.delete(url));
    loaded.set(url, loading);
  }
  return loaded.get(url);
}

/** Milliseconds from what is rendered to what is heard. */
export function latencyMs() {
  return ASKABLE ? (context.outputLatency || context.baseLatency || 0) * 1000 : FIREFOX_MS;
}

// Which microphone and which speaker, remembered in this browser only: other devices have others.

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
