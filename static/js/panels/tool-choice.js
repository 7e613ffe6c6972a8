// The list of functions that the assistant may use, in the options.

/** Fill `place` with a checkbox for each, those of a service under its name. @param {object} choice a CallChoice */
export function fillTools(place, choice) {
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
