// What is typed and not sent yet, of each conversation. Kept by this tab only, so that it outlives
// a reload and a sign-in. Storage may be blocked; then nothing is kept.

const PREFIX = "nextvoice.draft.";

/** Keep what stands in the box of a conversation; an empty text is forgotten. */
export function keepDraft(conversation, text) {
  try {
    if (text.trim() === "") sessionStorage.removeItem(PREFIX + conversation);
    else sessionStorage.setItem(PREFIX + conversation, text);
  } catch {
    // It stands in the box all the same.
  }
}

/** What was kept of a conversation, or "". */
export function draftOf(conversation) {
  try {
    return sessionStorage.getItem(PREFIX + conversation) ?? "";
  } catch {
    return "";
  }
}

/** Forget all of them: whoever comes next may be somebody else. */
export function forgetDrafts() {
  try {
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
    }
  } catch {
    // Then nothing was kept.
  }
}

/** What could not be sent, before what was typed since. */
export function joined(unsent, typed) {
  return [unsent, typed].filter((text) => text.trim() !== "").join("\n");
}
