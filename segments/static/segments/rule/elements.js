// Elements of the rule's form.
let lastId = 0;

export const nextId = (name) => `rule-${name}-${++lastId}`;

/** An element with attributes (`on…` are listeners) and children. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function labelled(text, control, size = "") {
  control.id = nextId("control");
  return h("div", { class: `rule-field ${size}` }, h("label", { for: control.id }, text), control);
}

export function input(name, value, attributes = {}) {
  return h("input", { "data-name": name, value: value ?? "", autocomplete: "off", ...attributes });
}

export function select(name, choices, value) {
  const options = choices.map(([key, text]) =>
    h("option", { value: key, selected: key === value ? "" : null }, text));
  return h("select", { "data-name": name }, ...options);
}

export function button(text, onclick, attributes = {}) {
  return h("button", { type: "button", class: "lb-button lb-button--default", onclick, ...attributes }, text);
}
