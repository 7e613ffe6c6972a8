// The admin's page of a provider.

import { connectProviderForm } from "./panels/provider-form.js";

connectProviderForm();
