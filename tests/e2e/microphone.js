// A microphone for a browser that takes no recording as one: it says what a test lets it say.
// Put into the page before its own scripts. `say(wav)`, a WAV file in base64, resolves when it is
// said.
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

// The empty page before the first one has no devices.
if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = microphone;
