// The call options, before and during a call.

import { hasTurnSetting } from "../call/options.js";
import { find, findAll, setText, show } from "../helpers/dom.js";
import { whyNot } from "../helpers/http.js";
import { language, t } from "../helpers/strings.js";
import { DeviceCheck } from "./device-check.js";
import { fillModels, showOffer } from "./model-picker.js";
import { toast } from "./toasts.js";

const NUMBERS = ["threshold", "silenceMs", "prefixMs", "idleMs", "pauseMs", "speed"];
// Which turn detection types have each setting.
const SETTINGS = {
  eagerness: ["semantic_vad"],
  silence_duration_ms: ["server_vad"],
  threshold: ["server_vad"],
  prefix_padding_ms: ["server_vad"],
  idle_timeout_ms: ["server_vad"],
  interrupt_response: ["server_vad", "semantic_vad"],
};
const SHOWN = {
  threshold: (value) => `${Math.round(value * 100)} %`,
  silenceMs: (value) => t("seconds", { seconds: (value / 1000).toFixed(2) }),
  prefixMs: (value) => t("seconds", { seconds: (value / 1000).toFixed(2) }),
  idleMs: (value) => (value === 0 ? t("never") : t("seconds", { seconds: value / 1000 })),
  pauseMs: (value) => (value === 0 ? t("not_at_all") : t("seconds", { seconds: (value / 1000).toFixed(2) })),
  speed: (value) => `${value.toFixed(2)}×`,
};

export class OptionsDrawer {
  #dialog;
  #call;
  #choice = null; // the CallChoice that is shown
  #devices;

  /** @param {HTMLDialogElement} dialog  @param {object} call a Call */
  constructor(dialog, call) {
    this.#dialog = dialog;
    this.#call = call;
    this.#devices = new DeviceCheck(dialog, call);
    for (const field of findAll("[data-option]", dialog)) {
      field.addEventListener(field.matches("textarea, input[type=range]") ? "input" : "change", () => this.#take(field));
    }
    find("[data-apply]", dialog).addEventListener("click", () => this.#apply());
    find("[data-as-default]", dialog).addEventListener("change", () => this.#keepAsDefault());
    dialog.addEventListener("close", () => this.#onClose());
    // A press outside the drawer closes it.
    dialog.addEventListener("pointerdown", (event) => event.target === dialog && dialog.close());
  }

  /** Show the choices of a conversation. @param {object} choice a CallChoice */
  open(choice) {
    if (!choice || this.#dialog.open) return;
    this.#choice = choice;
    find("[data-as-default]", this.#dialog).checked = false;
    this.#fill();
    this.#dialog.showModal();
    find(".options__body", this.#dialog).scrollTop = 0;
    this.#devices.open();
  }

  /** Update the drawer to the state of the call. */
  show() {
    if (!this.#dialog.open) return;
    this.#showPending();
    this.#showMemory();
  }

  #fill() {
    const { models, model, values, turns } = this.#choice;
    const { voices = [], features = {}, transcription_models: writers = [] } = model ?? {};
    fillModels(find('[data-option="model"]', this.#dialog), models, String(model?.id ?? ""));
    showOffer(find("[data-offer]", this.#dialog), model);
    this.#list("voice", voices.map(plain), values.voice);
    this.#list("transcription", writers.map(plain), values.transcription);
    const languages = features.languages ?? [];
    this.#list("language", [{ value: "", label: t("language_any") }, ...languages.map(languageOption)], values.language);
    fillTools(find("[data-tools]", this.#dialog), this.#choice);
    this.#limit("speed", features.speed);
    this.#limitValues("noise", features.noise_reduction ?? []);
    this.#limitValues("format", features.formats ?? []);
    this.#limitLength(features.max_output_tokens ?? 0);
    const offered = {
      voice: voices.length > 0,
      speed: features.speed !== undefined,
      reply: features.text === true,
      maxTokens: features.max_output_tokens !== undefined,
      turns: turns.length > 0,
      tools: this.#choice.tools.length > 0,
      instructions: features.instructions === true,
      language: languages.length > 0 && writers.length > 0,
      transcription: writers.length > 1,
      noise: (features.noise_reduction ?? []).length > 0,
      format: (features.formats ?? []).length > 1,
    };
    offered.hearing = offered.language || offered.transcription || offered.noise;
    for (const [name, on] of Object.entries(offered)) show(find(`[data-field="${name}"]`, this.#dialog), on);
    for (const turn of findAll("[data-turn]", this.#dialog)) show(turn, turns.includes(turn.dataset.turn));
    this.#showMemory();
    this.#showValues();
    this.#showPending();
  }

  #showValues() {
    const { values } = this.#choice;
    for (const field of findAll("[data-option]", this.#dialog)) {
      const value = values[field.dataset.option];
      if (field.type === "radio") field.checked = field.value === value;
      else if (value !== undefined && field !== document.activeElement) field.value = String(value);
    }
    for (const [name, say] of Object.entries(SHOWN)) {
      const output = find(`[data-shown="${name}"]`, this.#dialog);
      setText(output, say(values[name]));
      output.previousElementSibling.setAttribute("aria-valuetext", output.textContent);
    }
    const { model } = this.#choice;
    for (const part of findAll("[data-setting]", this.#dialog)) {
      const { setting } = part.dataset;
      show(part, SETTINGS[setting].includes(values.turns) && hasTurnSetting(model, setting));
    }
    const fine = find("[data-fine]", this.#dialog);
    show(fine, find("[data-setting]:not([hidden])", fine) !== null);
  }

  #take(field) {
    const name = field.dataset.option;
    const value = NUMBERS.includes(name) ? Number(field.value) : field.value;
    this.#choice.set({ [name]: value });
    find("[data-as-default]", this.#dialog).checked = false;
    if (name === "model") this.#fill();
    this.#showValues();
    this.#showPending();
  }

  #showPending() {
    const { live, pending, options, changing } = this.#call;
    const mine = live && options.choice === this.#choice;
    const what = mine && !changing ? pending : null;
    show(find("[data-pending]", this.#dialog), what !== null);
    if (what) setText(find("[data-pending-text]", this.#dialog), t(`pending_${what}`));
  }

  #showMemory() {
    const { remembered, messages } = this.#choice.memory;
    const words =
      messages === 0 ? t("memory_none") : remembered >= messages ? t("memory_all", { count: messages }) : t("memory_some", { count: remembered, total: messages });
    setText(find("[data-memory]", this.#dialog), words);
  }

  #apply() {
    this.#dialog.close();
    this.#call.reconnect();
  }

  async #keepAsDefault() {
    const box = find("[data-as-default]", this.#dialog);
    if (!box.checked) return;
    try {
      await this.#choice.keep({ asDefault: true });
      toast(t("kept_as_default"));
    } catch (problem) {
      box.checked = false;
      toast(whyNot(problem));
    }
  }

  #onClose() {
    this.#choice.flush();
    this.#devices.close();
  }

  #list(name, options, value) {
    const select = find(`[data-option="${name}"]`, this.#dialog);
    fillOptions(select, options);
    select.value = value;
  }

  #limit(name, range) {
    if (!range) return;
    const field = find(`[data-option="${name}"]`, this.#dialog);
    [field.min, field.max] = range.map(String);
  }

  #limitValues(name, kinds) {
    for (const option of find(`[data-option="${name}"]`, this.#dialog).options) {
      option.hidden = option.disabled = option.value !== "" && !kinds.includes(option.value);
    }
  }

  #limitLength(most) {
    for (const option of find('[data-option="maxTokens"]', this.#dialog).options) {
      option.hidden = option.disabled = Number(option.value) > most;
    }
  }
}

/** Replace the options of a select. @param {{value: string, label: string}[]} options */
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

function plain(name) {
  return { value: name, label: name };
}

function languageOption(code) {
  let label = code;
  try {
    label = new Intl.DisplayNames(language(), { type: "language" }).of(code) ?? code;
  } catch {
    // Not a language code; shown as it is.
  }
  return { value: code, label };
}

// The list of functions that the assistant may use.

/**
 * Fill `place` with a checkbox for each function, grouped by service.
 * @param {object} choice a CallChoice
 */
function fillTools(place, choice) {
  const services = new Map();
  for (const tool of choice.tools) {
    services.set(tool.group, [...(services.get(tool.group) ?? []), box(tool, choice)]);
  }
  place.replaceChildren(...[...services].flatMap(([name, boxes]) => (name ? service(name, boxes) : boxes)));
}

function service(name, boxes) {
  const heading = document.createElement("h4");
  heading.className = "options__name";
  heading.textContent = name;
  const group = document.createElement("div");
  group.className = "options__turns";
  group.role = "group";
  group.ariaLabel = name;
  group.append(heading, ...boxes);
  return group;
}

function box({ name, label, about, on }, choice) {
  const field = document.createElement("input");
  Object.assign(field, { type: "checkbox", checked: on, value: name });
  field.dataset.testid = `tool-${name}`;
  field.addEventListener("change", () => choice.setTool(name, field.checked));
  const help = document.createElement("span");
  help.className = "field__help";
  help.textContent = about;
  const words = document.createElement("span");
  words.append(label, help);
  const row = document.createElement("label");
  row.className = "options__turn";
  row.append(field, words);
  return row;
}
