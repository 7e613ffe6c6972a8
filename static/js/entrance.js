// The pages of those who are not signed in: they show messages, and work without scripts.

import { connectToasts } from "./panels/toasts.js";

connectToasts();
// One that the browser kept over a sign-in has a form that is not taken any more.
window.addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
