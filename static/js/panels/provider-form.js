// The provider form: fills in the preset of the chosen service. Without JavaScript, the server does
// the same for `?preset=`. The texts are part of the page.

import { find, jsonOf, setText, show } from "../helpers/dom.js";

const ASKED = ["organization", "project", "workspace", "deployment", "api_version"];

/** Connect the form, if the page has one. */
export function connectProviderForm(root = document) {
  const presets = jsonOf("provider-presets", root);
  const dialect = find("#id_dialect", root);
  if (!presets || !dialect) return;
  const asks = jsonOf("provider-asks", root) ?? {};
  const showAsked = () => {
    const { fields = [], note = "" } = asks[dialect.value] ?? {};
    showFields(root, fields);
    setText(noteOf(dialect), note);
  };
  dialect.addEventListener("change", showAsked);
  const preset = find("#id_preset", root);
  preset?.addEventListener("change", () => {
    fill(root, presets, presets[preset.value]);
    showAsked();
  });
  if (wasChosenBefore(preset, find("#id_url", root))) fill(root, presets, presets[preset.value]);
  showNote(root, presets[preset?.value]);
  showModels(root, presets[preset?.value], false);
  showAsked();
}

/** Whether a service was chosen before this was there, and nothing that comes with it is filled in. */
function wasChosenBefore(preset, url) {
  return Boolean(preset?.value) && !preset.selectedOptions[0].defaultSelected && url.value === url.defaultValue;
}

function fill(root, presets, preset) {
  if (preset) {
    const name = find("#id_name", root);
    const own = name.value.trim() !== "" && !Object.values(presets).some((each) => each.name === name.value);
    if (!own) name.value = preset.name;
    for (const field of ["dialect", "url", "api_version"]) find(`#id_${field}`, root).value = preset[field];
    const inside = find("#id_allow_private", root);
    if (inside) inside.checked = preset.allow_private;
    mark(find("#id_url", root), preset.replace);
  }
  showNote(root, preset);
  showModels(root, preset, true);
}

/** Select the part of the address that is different for everybody. */
function mark(field, word) {
  const at = word ? field.value.indexOf(word) : -1;
  if (at < 0) return;
  field.focus();
  field.setSelectionRange(at, at + word.length);
}

function showNote(root, preset) {
  const note = find("[data-preset-note]", root);
  if (!note) return;
  note.textContent = preset?.note ?? "";
  show(note, Boolean(preset?.note));
}

function showModels(root, preset, anew) {
  const list = find("#id_models_of_preset", root);
  if (!list) return;
  if (anew) {
    const boxes = (preset?.models ?? []).map(([value, label], at) =>
      box(value, label, `id_models_of_preset_${at}`, preset.models_of_preset.includes(value)),
    );
    list.replaceChildren(...boxes);
  }
  show(rowOf(list), list.childElementCount > 0);
}

function box(value, label, id, checked) {
  const row = document.createElement("div");
  const outer = document.createElement("label");
  const input = Object.assign(document.createElement("input"), {
    type: "checkbox",
    name: "models_of_preset",
    id,
    value,
    checked,
  });
  outer.htmlFor = id;
  outer.append(input, ` ${label}`);
  row.append(outer);
  return row;
}

/** Show the fields that the dialect needs, and those that are filled in already. */
function showFields(root, asked) {
  for (const name of ASKED) {
    const field = find(`#id_${name}`, root);
    if (!field) continue;
    const wanted = asked.includes(name);
    show(rowOf(field), wanted || field.value !== "");
    const part = field.closest("details");
    if (part && wanted && ["deployment", "api_version"].includes(name)) part.open = true;
  }
}

function rowOf(field) {
  return field.closest(".form-row, .field");
}

/** The element below the dialect field for a note on the dialect. */
function noteOf(dialect) {
  const row = rowOf(dialect);
  const found = find("[data-dialect-note]", row);
  if (found) return found;
  const note = document.createElement("p");
  note.className = "help field__help";
  note.dataset.dialectNote = "";
  note.setAttribute("role", "status");
  row.append(note);
  return note;
}
