// What this browser keeps: the person's choices, and text that was typed but not sent. Storage may
// be blocked; then nothing is kept.

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

// Drafts: text that was typed but not sent, per conversation. Kept in this tab's session storage,
// so that it survives a reload and a sign-in.

/** Keep the draft of a conversation; a blank text removes it. */
export function keepDraft(conversation, text) {
  try {
    if (text.trim() === "") sessionStorage.removeItem(DRAFT + conversation);
    else sessionStorage.setItem(DRAFT + conversation, text);
  } catch {
    // Not kept; it is still in the text box.
  }
}

/** The draft of a conversation, or "". */
export function draftOf(conversation) {
  try {
    return sessionStorage.getItem(DRAFT + conversation) ?? "";
  } catch {
    return "";
  }
}

/** Remove all drafts: the next person to sign in may be somebody else. */
export function forgetDrafts() {
  try {
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith(DRAFT)) sessionStorage.removeItem(key);
    }
  } catch {
    // Blocked, so nothing was kept.
  }
}

/** Text that could not be sent, followed by what was typed since. */
export function joined(unsent, typed) {
  return [unsent, typed].filter((text) => text.trim() !== "").join("\n");
}
