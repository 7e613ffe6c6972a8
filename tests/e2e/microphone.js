// A fake microphone for browsers that cannot use a recording as one. Runs before the page's own
// scripts. `say(wav)` plays a WAV file in base64 and resolves at its end.
async function microphone() {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  window.say = async (wav) => {
    const buffer = await context.decodeAudioData(Uint8Array.fromBase64(wav).buffer);
    const source = new AudioBufferSourceNode(context, { buffer });
    const said = new Promise((resolve) => (source.onended = resolve));
    source.connect(out);
    source.start();
    await said;
  };
  return out.stream;
}

// The initial about:blank has no devices.
if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = microphone;
