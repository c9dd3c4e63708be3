// Elements of the rule's form.
let lastId = 0;

export const nextId = (name) => `rule-${name}-${++lastId}`;

/** An element with attributes (`on…` are listeners) and children. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A label and its control; `around` is what holds the control where it is more than that. */
export function labelled(text, control, size = "", around = control) {
  control.id = nextId("control");
  return h("div", { class: `rule-field ${size}` }, h("label", { for: control.id }, text), around);
}

/** A text field; `typed` is called with each text. */
export function input(name, value, typed, attributes = {}) {
  const control = h("input", { "data-name": name, autocomplete: "off", ...attributes });
  control.value = value ?? "";
  control.addEventListener("input", () => typed(control.value.trim()));
  return control;
}

/** `choices` are [key, text] or {label, choices}; `picked` is called with a key. */
export function select(name, choices, value, picked) {
  const option = ([key, text]) => h("option", { value: key, selected: key === value ? "" : null }, text);
  const options = choices.map((one) =>
    Array.isArray(one) ? option(one) : h("optgroup", { label: one.label }, ...one.choices.map(option)));
  const control = h("select", { "data-name": name }, ...options);
  control.addEventListener("change", () => picked(control.value));
  return control;
}

export function checkbox(name, text, checked, picked) {
  const control = h("input", { type: "checkbox", "data-name": name, checked: checked ? "" : null });
  control.addEventListener("change", () => picked(control.checked));
  return h("label", { class: "lb-check rule-check" }, control, h("span", {}, text));
}

export function button(text, onclick, attributes = {}) {
  return h("button", { type: "button", class: "lb-button lb-button--default", onclick, ...attributes }, text);
}

/** A button that reads as a link. */
export const quiet = (text, onclick, attributes = {}) =>
  button(text, onclick, { class: "rule-quiet", ...attributes });

/** A sign of the theme's icon font: what it does is said by its button's label. */
export const icon = (name) => h("span", { class: "material-symbols-outlined rule-icon", "aria-hidden": "true" }, name);
