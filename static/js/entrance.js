// The pages for signed-out people: scripts only show messages there and are not required.

import { connectToasts } from "./panels/toasts.js";

connectToasts();
// A page restored from the back/forward cache may have a form whose CSRF token is no longer valid.
window.addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
