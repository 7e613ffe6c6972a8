// The one audio context of the page. Phones allow few, and only from a tap.

import { routeToSpeaker } from "./devices.js";

let context = null;
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
