// The state machine of a call, and the responses that are in progress.
//
// REST stands for the state in which a call waits for the person: `muted` when the microphone is
// off, otherwise `listening`. An event that a state does not list is ignored in it.

export const REST = "(rest)";

export const TRANSITIONS = {
  idle: { start: "checking" },
  checking: { checked: "connecting", end: "ended" },
  connecting: { ready: REST, end: "ended" },
  listening: {
    speech_started: "hearing",
    response_started: "thinking",
    playback_started: "speaking",
    mute: "muted",
    pause: "paused",
    lost: "reconnecting",
    end: "ended",
  },
  hearing: {
    speech_stopped: "thinking",
    speech_dropped: REST,
    response_started: "thinking",
    playback_started: "speaking",
    mute: "muted",
    pause: "paused",
    lost: "reconnecting",
    end: "ended",
  },
  thinking: {
    speech_started: "hearing",
    playback_started: "speaking",
    response_ended: REST,
    pause: "paused",
    lost: "reconnecting",
    end: "ended",
  },
  speaking: {
    speech_started: "hearing",
    playback_ended: REST,
    playback_cut: REST,
    pause: "paused",
    lost: "reconnecting",
    end: "ended",
  },
  muted: {
    speech_stopped: "thinking",
    response_started: "thinking",
    playback_started: "speaking",
    unmute: "listening",
    pause: "paused",
    lost: "reconnecting",
    end: "ended",
  },
  paused: { unpause: REST, lost: "reconnecting", end: "ended" },
  reconnecting: { ready: REST, resumed: REST, end: "ended" },
  ended: { start: "checking" },
};

export const STATES = Object.keys(TRANSITIONS);

/** The state that follows `state` on `event`; `state` itself if the event is ignored. */
export function next(state, event, muted = false) {
  const target = TRANSITIONS[state][event];
  if (target === undefined) return state;
  if (target === REST) return muted ? "muted" : "listening";
  return target;
}

/** Whether a call in this state holds a connection and counts time. */
export function isLive(state) {
  return !["idle", "checking", "connecting", "ended"].includes(state);
}

/** Whether a call in this state was started and has not ended. */
export function isActive(state) {
  return state !== "idle" && state !== "ended";
}

/** Keeps one call's state; the only place that changes it. */
export class CallState {
  #name = "idle";
  #muted = false;
  #reason = null;
  #onchange;

  /** @param {(name: string, before: string) => void} onchange */
  constructor(onchange) {
    this.#onchange = onchange;
  }

  get name() {
    return this.#name;
  }

  get muted() {
    return this.#muted;
  }

  /** Why the call ended, or null. */
  get reason() {
    return this.#reason;
  }

  /** Apply an event; `reason` is for "end". Returns whether the state changed. */
  apply(event, reason = null) {
    if (event === "mute") this.#muted = true;
    if (event === "unmute" || event === "start") this.#muted = false;
    const before = this.#name;
    const after = next(before, event, this.#muted);
    if (after === before) return false;
    this.#name = after;
    this.#reason = after === "ended" ? reason : null;
    this.#onchange(after, before);
    return true;
  }
}

// Which response the provider is generating, and which ones were cancelled.

export class Responses {
  #making = null; // id
  #begun = new Set(); // ids without a `response.done` so far
  #unwanted = new Set(); // ids that were cancelled

  /** Whether a response is being generated. */
  get making() {
    return this.#making !== null;
  }

  /** The provider begins a response. */
  begin(id) {
    this.#making = id;
    this.#begun.add(id);
    this.#unwanted.delete(id); // some providers use the same id for several responses
  }

  /** No response is in progress any more, for example because the provider's session is lost. */
  end() {
    this.#making = null;
    this.#begun.clear();
  }

  /**
   * Process a `response.done`. Returns whether it was for the current response; that of an earlier
   * one may arrive after the next has begun.
   * @param {string} id an unknown id is taken for that of the current response
   */
  done(id) {
    const earlier = this.#begun.delete(id) && this.making && id !== this.#making;
    if (!earlier) this.end();
    return !earlier;
  }

  /** Mark the current response as unwanted. Returns whether there was one. */
  refuse() {
    if (!this.making) return false;
    this.#unwanted.add(this.#making);
    this.#making = null;
    return true;
  }

  /** Whether this response was cancelled, so that its late audio must be refused. */
  isUnwanted(id) {
    return this.#unwanted.has(id);
  }
}
