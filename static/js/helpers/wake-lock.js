// Keeps the screen on during a call: a phone that locks stops the microphone.

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
    // Refused, for example to save the battery.
  }
}

function release() {
  lock?.release();
  lock = null;
}

// The browser takes the lock away whenever the page is hidden.
document.addEventListener("visibilitychange", request);
