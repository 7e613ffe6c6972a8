// The provider form in the admin.

import { connectProviderForm } from "./panels/provider-form.js";

connectProviderForm();
