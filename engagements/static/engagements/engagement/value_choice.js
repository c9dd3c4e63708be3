// Engagement Creation: a list of the values that are allowed.

/* Where only some values are allowed: a choice of them, beside the input that holds
 the value and into which a personalization variable is typed. */
export function offerChoices(form) {
  for (const input of form.querySelectorAll("input[list][data-value]:enabled")) {
    if (!input.dataset.isOffered) offerChoice(input);
  }
}

const typers = new WeakMap();

function offerChoice(input) {
  const id = input.id;
  const select = document.createElement("select");
  const back = document.createElement("button");
  const values = [...input.list.options].map((option) => option.value);
  select.append(new Option(input.placeholder || "Choose a value", ""));
  select.append(...values.map((value) => new Option(value, value)));
  select.append(new Option("A personalization variable…", "{{"));
  Object.assign(back, {type: "button", className: "lb-button lb-button--default", textContent: "Choose from the list"});
  for (const name of ["aria-describedby", "aria-invalid"]) {
    if (input.hasAttribute(name)) select.setAttribute(name, input.getAttribute(name));
  }
  input.dataset.isOffered = "1";
  input.removeAttribute("list");
  input.before(select);
  input.after(back);

  // The label belongs to the one that is shown.
  function show(isTyped) {
    [select.hidden, input.hidden, back.hidden] = [isTyped, !isTyped, !isTyped];
    [select.id, input.id] = isTyped ? [`${id}-choice`, id] : [id, `${id}-typed`];
  }
  function set(value) {
    input.value = value;
    input.dispatchEvent(new Event("input", {bubbles: true}));
  }
  function type() {
    show(true);
    set("");
    input.focus();
    return input;
  }
  select.addEventListener("change", () => {
    if (select.value === "{{") return type();
    chosen = select.value;
    set(chosen);
  });
  back.addEventListener("click", () => {
    select.value = chosen;
    show(false);
    set(chosen);
    select.focus();
  });
  typers.set(select, type);
  const isTyped = input.value !== "" && !values.includes(input.value);
  let chosen = isTyped ? "" : input.value;
  select.value = chosen;
  show(isTyped);
}

/** The input that text is typed into, in place of the list that stands for it. */
export function typed(field) {
  return typers.has(field) ? typers.get(field)() : field;
}
