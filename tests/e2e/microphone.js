// A microphone for a browser that takes no recording as one: it says what a test lets it say.
// Put into the page before its own scripts. `say(wav)`: a WAV file in base64.
navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  window.say = async (wav) => {
    const buffer = await context.decodeAudioData(Uint8Array.fromBase64(wav).buffer);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(out);
    source.start();
  };
  return out.stream;
};
