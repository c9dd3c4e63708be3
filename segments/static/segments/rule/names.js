// The names that came so far, as the dictionary has them: offered in the rule's form.
import { h } from "./elements.js";

/** Offer the properties that came with the event of the condition, as it is now. */
export function offerProperties(name, id) {
  name.addEventListener("focus", () => {
    const list = name.parentElement.querySelector("datalist") || h("datalist", { id });
    list.replaceChildren(...propertiesOf(name).map(([value, about]) => h("option", { value }, about)));
    name.parentElement.append(list);
  });
}

/** Say below a name that it never came: it may be mistyped, or come from tomorrow on. */
export function hintAt(name) {
  const kind = name.dataset.name;
  const typed = name.value.trim();
  const known = kind === "property"
    ? propertiesOf(name).map(([value]) => value)
    : [...document.querySelectorAll(`#${name.getAttribute("list")} option`)].map((option) => option.value);
  const place = name.closest(kind === "property" ? "li" : "fieldset");
  const said = place.querySelector(":scope > .rule-hint");
  if (!typed || !known.length || known.includes(typed)) {
    said?.remove();
    return;
  }
  const text = kind === "property" ? `“${typed}” came with no such event so far.` : `No ${kind} “${typed}” came so far.`;
  if (said) said.textContent = text;
  else place.append(h("p", { class: "rule-hint", role: "status" }, text));
}

function propertiesOf(name) {
  const known = JSON.parse(document.getElementById("known-properties")?.textContent || "{}");
  return known[name.closest("[data-kind=event]").querySelector("[data-name=event]").value.trim()] || [];
}
