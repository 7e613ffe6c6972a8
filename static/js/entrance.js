// The pages of those who are not signed in: they show messages, and work without scripts.

import { connectToasts } from "./panels/toasts.js";

connectToasts();
