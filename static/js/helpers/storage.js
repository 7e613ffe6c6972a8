// What this browser remembers of the person's choices. Storage may be blocked; then nothing is.

const PREFIX = "nextvoice.";

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
