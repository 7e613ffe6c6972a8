// Model, voice and way of talking, chosen before the call and remembered in this browser.

import { find, show } from "../helpers/dom.js";
import { remember, remembered } from "../helpers/storage.js";
import { t } from "../helpers/strings.js";

export class CallSetup {
  #models;
  #model;
  #voice;
  #hold;
  #voiceField;

  /** @param {ParentNode} root  @param {{models: object[], default_model: unknown}} config */
  constructor(root, config) {
    this.#models = config.models ?? [];
    this.#model = find("[data-setup-model]", root);
    this.#voice = find("[data-setup-voice]", root);
    this.#hold = find("[data-setup-hold]", root);
    this.#voiceField = find("[data-setup-voice-field]", root);
    fillOptions(this.#model, this.#models.map(modelOption));
    const known = (id) => this.#models.some((model) => String(model.id) === id);
    const wanted = [remembered("model"), String(config.default_model ?? "")].find(known);
    if (wanted) this.#model.value = wanted;
    this.#hold.checked = remembered("hold") === "1";
    this.#fillVoices();
    this.#model.addEventListener("change", () => {
      remember("model", this.#model.value);
      this.#fillVoices();
    });
    this.#voice.addEventListener("change", () => remember(this.#voiceKey, this.#voice.value));
    this.#hold.addEventListener("change", () => remember("hold", this.#hold.checked ? "1" : null));
  }

  /** What the call is started with. */
  get choice() {
    const model = this.#chosen;
    return {
      model: model?.id,
      voice: this.#voice.value || undefined,
      handsFree: !this.#hold.checked,
    };
  }

  get #chosen() {
    return this.#models.find((model) => String(model.id) === this.#model.value);
  }

  get #voiceKey() {
    return `voice.${this.#model.value}`;
  }

  #fillVoices() {
    const voices = this.#chosen?.voices ?? [];
    show(this.#voiceField, voices.length > 0);
    const options = voices.map((name) => ({ value: name, label: name }));
    fillOptions(this.#voice, voices.length > 0 ? options : [{ value: "", label: t("voice_of_model") }]);
    const wanted = remembered(this.#voiceKey);
    if (voices.includes(wanted)) this.#voice.value = wanted;
  }
}

function modelOption({ id, name, provider }) {
  const label = provider ? t("model_of_provider", { model: name, provider }) : name;
  return { value: String(id), label };
}

function fillOptions(select, options) {
  select.replaceChildren(
    ...options.map(({ value, label }) => {
      const option = document.createElement("option");
      option.value = value;
      option.textContent = label;
      return option;
    }),
  );
}
