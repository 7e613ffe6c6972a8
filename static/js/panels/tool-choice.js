// The list of functions that the assistant may use, in the options.

/** Fill `place` with a checkbox for each. @param {object} choice a CallChoice */
export function fillTools(place, choice) {
  place.replaceChildren(...choice.tools.map((tool) => box(tool, choice)));
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
