// The model picker: models by provider, with the features and the price of the chosen one.

import { find, findAll, setText, show } from "../helpers/dom.js";

/**
 * Fill a select with models, grouped by provider if there are several.
 * @param {{id: string, name: string, provider: string, cost?: string, end_short?: string}[]} models
 */
export function fillModels(select, models, chosen) {
  const groups = byProvider(models);
  const parts = [...groups].map(([provider, group]) => {
    const options = group.map(option);
    return groups.size > 1 ? make("optgroup", { label: provider }, options) : options;
  });
  select.replaceChildren(...parts.flat());
  select.value = chosen;
}

/** Show a model's features, its price, and until when it is available. */
export function showOffer(place, model) {
  const { offers = [], cost = "", end = "" } = model ?? {};
  const chips = offers.map((text) => make("span", { className: "chip", textContent: text }));
  const parts = [make("p", { className: "offer__cost", textContent: cost }), make("p", { className: "chips" }, chips)];
  if (end) parts.push(make("p", { className: "model__end", textContent: end[0].toUpperCase() + end.slice(1) }));
  place.replaceChildren(...(model ? parts : []));
}

/** The front page: update the name and the chips when the choice changes. */
export function connectPicker(root) {
  const select = find("[data-picker-model]", root);
  const name = find("[data-picker-name]", root);
  const follow = () => {
    setText(name, select.selectedOptions[0].dataset.name ?? name?.dataset.usual);
    for (const offer of findAll("[data-offer-of]", root)) show(offer, offer.dataset.offerOf === select.value);
  };
  select.addEventListener("change", follow);
  // The person may have chosen before this script had loaded.
  follow();
}

function option({ id, name, cost, end_short: end }) {
  return make("option", { value: String(id), textContent: [name, cost, end].filter(Boolean).join(" · ") });
}

function make(tag, properties, children = []) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function byProvider(models) {
  const groups = new Map();
  for (const model of models) groups.set(model.provider, [...(groups.get(model.provider) ?? []), model]);
  return groups;
}
