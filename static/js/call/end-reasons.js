// Why calls end: how each reason is shown, what the person can do next, and how to find the reason.
//
// tone: "quiet" closes the panel, "info" explains, "problem" needs attention.
// retry: whether trying again may help. type: whether typing still works.
// leave: whether this page is of no more use, so that the person should leave it.

export const END_REASONS = {
  // Detected by this page, before or during the call.
  insecure: { tone: "problem", retry: false, type: true },
  unsupported: { tone: "problem", retry: false, type: true },
  mic_blocked: { tone: "problem", retry: true, type: true },
  mic_absent: { tone: "problem", retry: true, type: true },
  mic_busy: { tone: "problem", retry: true, type: true },
  mic_failed: { tone: "problem", retry: true, type: true },
  audio_failed: { tone: "problem", retry: true, type: true },
  no_model: { tone: "problem", retry: false, type: false },
  offline: { tone: "problem", retry: true, type: false },
  socket_lost: { tone: "problem", retry: true, type: false },
  not_allowed: { tone: "problem", retry: false, type: false },
  not_found: { tone: "problem", retry: false, type: false, leave: true },
  // Reported by the server.
  hang_up: { tone: "quiet", retry: false, type: false },
  browser_gone: { tone: "info", retry: true, type: false },
  idle: { tone: "info", retry: true, type: false },
  signed_out: { tone: "problem", retry: false, type: false, signIn: true },
  taken_over: { tone: "info", retry: true, type: false },
  slow_reader: { tone: "problem", retry: true, type: true },
  flood: { tone: "problem", retry: true, type: false },
  bad_frame: { tone: "problem", retry: true, type: false },
  no_start: { tone: "problem", retry: true, type: false },
  moved: { tone: "info", retry: true, type: false },
  admin_ended: { tone: "problem", retry: true, type: false },
  provider_unreachable: { tone: "problem", retry: true, type: false },
  provider_refused_key: { tone: "problem", retry: true, type: false },
  provider_unknown_model: { tone: "problem", retry: true, type: false },
  provider_wrong_dialect: { tone: "problem", retry: true, type: false },
  provider_quota: { tone: "problem", retry: true, type: false },
  provider_error: { tone: "problem", retry: true, type: false },
  provider_gone: { tone: "problem", retry: true, type: false },
  provider_timeout: { tone: "problem", retry: true, type: false },
  session_limit: { tone: "info", retry: true, type: false },
  quota_used_up: { tone: "problem", retry: false, type: false },
  too_many_calls: { tone: "problem", retry: true, type: false },
  call_too_long: { tone: "info", retry: true, type: false },
  server_stopping: { tone: "info", retry: true, type: false },
  server_busy: { tone: "problem", retry: true, type: false },
  internal_error: { tone: "problem", retry: true, type: false },
};

const CLOSE_CODES = {
  1000: "hang_up",
  1009: "bad_frame",
  1011: "internal_error",
  1012: "server_stopping",
  4400: "bad_frame",
  4401: "signed_out",
  4402: "quota_used_up",
  4403: "not_allowed",
  4404: "not_found",
  4408: "slow_reader",
  4409: "taken_over",
  4410: "socket_lost",
  4429: "flood",
  4502: "provider_unreachable",
  4504: "provider_timeout",
};

/** The reason for a close code that came without a `nextvoice.ended`. */
export function reasonForClose(code) {
  return CLOSE_CODES[code] ?? "socket_lost";
}

/** Whether the call may be resumed on a new socket after this close code. */
export function mayReconnect(code) {
  return [1001, 1005, 1006, 1012, 1013].includes(code);
}

/** The entry of a reason; an unknown one (of a newer server) is shown like `internal_error`. */
export function describeEnd(reason) {
  return END_REASONS[reason] ?? END_REASONS.internal_error;
}

/** The reason for a getUserMedia error. @param {DOMException} problem */
export function reasonForMicrophone(problem) {
  switch (problem?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return "mic_blocked";
    case "NotFoundError":
    case "OverconstrainedError":
      return "mic_absent";
    case "NotReadableError":
    case "AbortError":
      return "mic_busy";
    default:
      return "mic_failed";
  }
}

/** Why this browser cannot make a spoken call, or null. @param {Window} page */
export function missingForVoice(page) {
  if (!page.isSecureContext) return "insecure";
  const supported =
    page.navigator.mediaDevices?.getUserMedia &&
    page.AudioContext &&
    page.AudioWorkletNode &&
    page.WebSocket;
  return supported ? null : "unsupported";
}

// An abnormal close does not say why. The HTTP status of the page's own address often does.

const WAIT_MS = 5000;

/** Request this page and derive the reason from the response. @returns {Promise<string>} */
export async function diagnose() {
  if (navigator.onLine === false) return "offline";
  try {
    const answer = await fetch(location.href, {
      method: "HEAD",
      redirect: "manual",
      cache: "no-store",
      signal: AbortSignal.timeout(WAIT_MS),
    });
    // Signed out: the page redirects to the sign-in page.
    if (answer.type === "opaqueredirect") return "signed_out";
    if (answer.status === 404) return "not_found";
    if (answer.status === 403) return "not_allowed";
    return "socket_lost";
  } catch {
    return "offline";
  }
}
