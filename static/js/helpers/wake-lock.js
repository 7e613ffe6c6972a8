// Keeps the screen on during a call, because a phone stops the microphone when it locks.

let wanted = false;
let lock = null;

export function keepAwake(on) {
  wanted = on;
  if (on) request();
  else release();
}

async function request() {
  if (!wanted || lock || document.visibilityState !== "visible") return;
  try {
    lock = await navigator.wakeLock?.request("screen");
    lock?.addEventListener("release", () => (lock = null));
    if (!wanted) release();
  } catch {
    // Refused, for example in battery saver mode.
  }
}

function release() {
  lock?.release();
  lock = null;
}

// The browser releases the lock whenever the page is hidden.
document.addEventListener("visibilitychange", request);
