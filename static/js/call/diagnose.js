// A socket that closes without a word does not say why. The page's own address often does.

const WAIT_MS = 5000;

/** Ask the server for this page and say what stands in the way. @returns {Promise<string>} */
export async function diagnose() {
  if (navigator.onLine === false) return "offline";
  try {
    const answer = await fetch(location.href, {
      method: "HEAD",
      redirect: "manual",
      cache: "no-store",
      signal: AbortSignal.timeout(WAIT_MS),
    });
    // Signed out: the page sends people to the sign-in page.
    if (answer.type === "opaqueredirect") return "signed_out";
    if (answer.status === 404) return "not_found";
    if (answer.status === 403) return "not_allowed";
    return "socket_lost";
  } catch {
    return "offline";
  }
}
