// One picture from the camera or of a screen.

const LONGEST = 2048;
const WARM_UP_FRAMES = 8; // a camera's first pictures are dark

export function canUseCamera() {
  return typeof navigator.mediaDevices?.getUserMedia === "function";
}

export function canShareScreen() {
  return typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

/** A picture from the camera, on a phone the one at its back. Rejects as getUserMedia does. */
export async function fromCamera() {
  const video = { facingMode: { ideal: "environment" }, width: { ideal: 1920 } };
  return picture(await navigator.mediaDevices.getUserMedia({ video }), WARM_UP_FRAMES, "camera");
}

/** A picture of a screen or window the person chooses. Rejects as getDisplayMedia does. */
export async function fromScreen() {
  return picture(await navigator.mediaDevices.getDisplayMedia({ video: true }), 1, "screen");
}

async function picture(stream, frames, name) {
  const video = document.createElement("video");
  try {
    video.muted = true;
    video.playsInline = true;
    video.srcObject = stream;
    await video.play();
    await shown(video, frames);
    const canvas = drawn(video);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
    if (!blob) throw new Error("no picture");
    const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
    return new File([blob], `${name} ${time}.jpg`, { type: "image/jpeg" });
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  }
}

/** Wait until so many pictures were shown, but not for ever: a still screen sends one. */
function shown(video, frames) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 1500);
    const next = (left) => {
      if (left > 0 && video.requestVideoFrameCallback) video.requestVideoFrameCallback(() => next(left - 1));
      else {
        clearTimeout(timer);
        resolve();
      }
    };
    next(frames);
  });
}

function drawn(video) {
  const { videoWidth: width, videoHeight: height } = video;
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas;
}
