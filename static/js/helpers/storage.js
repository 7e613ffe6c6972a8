// What this browser keeps: the person's choices, and what was typed and not sent. Storage may be
// blocked; then nothing is kept.

const PREFIX = "nextvoice.";
const DRAFT = "nextvoice.draft.";

export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    // Not kept; the choice still holds for this page.
  }
}

export function remembered(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

// What is typed and not sent yet, of each conversation, is kept by this tab only, so that it outlives
// a reload and a sign-in.

/** Keep what stands in the box of a conversation; an empty text is forgotten. */
export function keepDraft(conversation, text) {
  try {
    if (text.trim() === "") sessionStorage.removeItem(DRAFT + conversation);
    else sessionStorage.setItem(DRAFT + conversation, text);
  } catch {
    // It stands in the box all the same.
  }
}

/** What was kept of a conversation, or "". */
export function draftOf(conversation) {
  try {
    return sessionStorage.getItem(DRAFT + conversation) ?? "";
  } catch {
    return "";
  }
}

/** Forget all of them: whoever comes next may be somebody else. */
export function forgetDrafts() {
  try {
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith(DRAFT)) sessionStorage.removeItem(key);
    }
  } catch {
    // Then nothing was kept.
  }
}

/** What could not be sent, before what was typed since. */
export function joined(unsent, typed) {
  return [unsent, typed].filter((text) => text.trim() !== "").join("\n");
}
