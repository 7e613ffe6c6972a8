// Measures when the page's microphone and speaker become loud or quiet. Runs before the page's own
// scripts, which do not know of it.
(() => {
  const POLL_MS = 4;
  const QUIET = 0.004; // RMS; silence with its faint noise stays below
  const HOLD_MS = 120; // a shorter pause between two words is not the end of the speech
  const marks = []; // {who, what: "on"|"off", at} in ms of performance.now()
  window.__listener = { marks };

  function watch(who, analyser) {
    const samples = new Float32Array(analyser.fftSize);
    let loud = false;
    let last = 0; // when it was last loud
    setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const rms = Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / samples.length);
      const now = performance.now();
      if (rms > QUIET) {
        if (!loud) marks.push({ who, what: "on", at: now });
        loud = true;
        last = now;
      } else if (loud && now - last > HOLD_MS) {
        loud = false;
        marks.push({ who, what: "off", at: last });
      }
    }, POLL_MS);
  }

  function analyserOf(context) {
    const analyser = context.createAnalyser();
    analyser.fftSize = 128;
    return analyser;
  }

  // Automatic gain control would raise the silence between two words to the level of speech.
  addEventListener("DOMContentLoaded", () => (document.body.dataset.rawMic = ""));

  const heard = new WeakSet();
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode && !heard.has(this)) {
      heard.add(this);
      const analyser = analyserOf(this.context);
      connect.call(this, analyser);
      watch("speaker", analyser);
    }
    if (this instanceof MediaStreamAudioSourceNode && !heard.has(this)) {
      heard.add(this);
      const analyser = analyserOf(this.context);
      connect.call(this, analyser);
      watch("microphone", analyser);
    }
    return connect.call(this, target, ...rest);
  };

  // When the page learns from the server that speech has started.
  const Native = window.WebSocket;
  window.WebSocket = class extends Native {
    constructor(...args) {
      super(...args);
      this.addEventListener("message", ({ data }) => {
        if (typeof data === "string" && data.includes('"input_audio_buffer.speech_started"')) {
          marks.push({ who: "server", what: "on", at: performance.now() });
        }
      });
    }
  };
})();
