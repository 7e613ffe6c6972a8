// The states of a call, all of them, and what leads from one to another; and its answers under way.
//
// REST stands for where a call waits for the person: `muted` when the microphone is off,
// `listening` otherwise. An event that a state does not list is ignored there.

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

/** Where the table leads from `state` on `event`; `state` itself when the event means nothing. */
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

/** Whether something was started that has not ended. */
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

  /** Apply an event; `reason` goes with "end". Returns whether the state changed. */
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

// Which answer the provider is making, and which ones nobody wants any more.

export class Responses {
  #making = null; // id
  #begun = new Set(); // ids of those whose end was not told yet
  #unwanted = new Set(); // ids of those that were cancelled

  /** Whether an answer is being made. */
  get making() {
    return this.#making !== null;
  }

  /** The provider begins an answer. */
  begin(id) {
    this.#making = id;
    this.#begun.add(id);
    this.#unwanted.delete(id); // not every provider gives each answer an id of its own
  }

  /** Nothing is being made: whoever made it is gone. */
  end() {
    this.#making = null;
    this.#begun.clear();
  }

  /**
   * The end of an answer is told. Returns whether it was the one that is being made; an earlier one
   * may be told to be over after the next has begun.
   * @param {string} id an unknown one is taken for that of the answer that is being made
   */
  done(id) {
    const earlier = this.#begun.delete(id) && this.making && id !== this.#making;
    if (!earlier) this.end();
    return !earlier;
  }

  /** Nobody wants the answer that is being made. Returns whether there was one. */
  refuse() {
    if (!this.making) return false;
    this.#unwanted.add(this.#making);
    this.#making = null;
    return true;
  }

  /** Whether the sound of this answer was only on its way still when it was refused. */
  isUnwanted(id) {
    return this.#unwanted.has(id);
  }
}
