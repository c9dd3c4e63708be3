// Name, comparison and value: of an attribute, of an event's property, or of a field of the
// objects in a list.
import { h, labelled, nextId, quiet, select } from "./elements.js";
import { examplesOf, offered, saidOf, typeOf } from "./names.js";
import { choicesFor, firstFor, isKnown, noteOf, OPTIONS } from "./operators.js";
import { Picker } from "./picker.js";
import { wishFor } from "./starting_points.js";
import { canDrawValue, disclosure, optionFields, setDefaults, setNumbers, valueFields, valueFor } from "./values.js";

const FLAGS = ["fold", "numbers_in_text", "calendar"];

export function canDraw(kind, condition) {
  const keys = new Set([kind, "is", "value", ...OPTIONS]);
  return condition !== null && typeof condition === "object"
    && Object.keys(condition).every((key) => keys.has(key))
    && typeof condition[kind] === "string"
    && typeof condition.is === "string" && isKnown(condition.is)
    && FLAGS.every((key) => [undefined, true, false].includes(condition[key]))
    && ["undefined", "string"].includes(typeof condition.zone)
    && canDrawValue(condition.is, condition.value);
}

export const blank = (kind) => ({ [kind]: "", is: "equals", value: "" });

/**
 * The field of a name: what is known of it stands below, or that it never came.
 * `of` says {kind, event} or {options, said}; `named(value, isPicked)` is called with each name.
 */
export function nameField(label, object, key, row, of, named = () => {}) {
  const event = of.event ?? (() => "");
  const said = h("p", { class: "rule-said", id: nextId("said"), role: "status" });
  const wish = h("div", { class: "rule-wish" });
  let examples = "";
  const say = () => {
    const known = of.said ? of.said(object[key]) : saidOf(of.kind, object[key], event());
    said.textContent = [known?.text, examples].filter(Boolean).join(" · ");
    said.classList.toggle("rule-warning", Boolean(known?.isWarning));
    wish.replaceChildren(...wished(object, key, of, event, choose));
  };
  const choose = (value) => {
    picker.set(value);
    picker.picked(value, true);
    picker.input.focus();
  };
  const picker = new Picker(key, {
    value: object[key] ?? "",
    options: of.options ?? (() => offered(of.kind, event())),
    picked: (value, isPicked) => {
      object[key] = value;
      examples = "";
      say();
      named(value, isPicked);
      row.changed();
    },
    "aria-describedby": said.id,
  });
  picker.input.addEventListener("focus", async () => {
    const name = object[key];
    // An object is too long to be read in a line.
    if (of.kind === "event" || of.options || typeOf(of.kind, name, event()) === "objects") return;
    const { values } = await examplesOf(of.kind, name, event());
    if (!values.length || object[key] !== name) return;
    examples = `such as ${values.slice(0, 3).join(", ")}`;
    say();
  });
  say();
  of.whenKnown?.(say);
  return h("div", { class: "rule-field rule-name" }, labelled(label, picker.input, "", picker.root), said, wish);
}

/** What a starting point asks to choose here, with names of the dictionary that it may be. */
function wished(object, key, of, event, choose) {
  const wish = object[key] ? null : wishFor(object, key);
  if (!wish) return [];
  const names = of.names ? of.names() : offered(of.kind, event());
  const close = names.filter(({ value }) => wish.like.some((word) => value.toLowerCase().includes(word)));
  const few = close.slice(0, 4).map(({ value }) =>
    quiet(value, () => choose(value), { class: "rule-chip", "aria-label": `Choose ${value}` }));
  return [h("p", {}, `Choose ${wish.say}.`, few.length ? " Perhaps:" : null), ...few];
}

/**
 * The fields of one comparison. `of` is as for nameField; {type, whenKnown} where types are
 * not the dictionary's, {named} to take over when a name is picked, {extra} for more options, {isNot} where it is
 * turned round.
 */
export function comparisonFields(label, kind, condition, row, of) {
  const event = of.event ?? (() => "");
  const type = () => (of.type ? of.type(condition[kind]) : typeOf(of.kind, condition[kind], event()));
  const state = row.stateOf(condition);
  const value = h("div", { class: "rule-value" });
  const note = h("p", { class: "rule-fold" });
  const options = h("div", { class: "rule-more" });
  state.options ??= of.isOpen || condition.zone !== undefined || FLAGS.some((key) => condition[key] !== undefined && key !== "numbers_in_text");
  const more = disclosure("Options", options, state, "options");
  const valueChanged = () => {
    if (state.isNew) {
      setNumbers(condition);
      drawOptions();
    }
    row.changed();
  };
  const examples = async () => (of.options ? [] : (await examplesOf(of.kind, condition[kind], event())).values);
  const drawOptions = () => {
    const fields = optionFields(condition, row.changed, () => {
      drawOptions();
      options.querySelector("[data-name=calendar]").focus();
    });
    fields.push(...(of.extra?.() ?? []));
    options.replaceChildren(...fields);
    note.textContent = noteOf(condition, of.isNot);
    note.hidden = !note.textContent;
    more.hidden = !fields.length;
    if (!fields.length) options.hidden = true;
  };
  const draw = () => {
    value.replaceChildren(...valueFields(condition, type(), valueChanged, examples));
    drawOptions();
  };
  const compare = (is) => {
    condition.is = is;
    state.isNew = true;
    const left = valueFor(is, condition.value);
    if (left === undefined) delete condition.value;
    else condition.value = left;
    setDefaults(condition);
    setNumbers(condition);
  };
  let operator = null;
  const drawOperator = () => {
    const next = select("is", choicesFor(type()), condition.is, (is) => {
      compare(is);
      draw();
      row.changed();
    });
    if (operator) operator.replaceChildren(...next.childNodes);
    else operator = next;
    operator.value = condition.is;
  };
  const named = (_name, isPicked) => {
    const known = type();
    if (isPicked && of.named?.(known)) return;
    drawOperator();
    // Nothing was said yet: begin with what fits the values that came.
    if (isPicked && condition.value === "" && condition.is === "equals" && known) compare(firstFor(known));
    operator.value = condition.is;
    draw();
  };
  drawOperator();
  draw();
  of.whenKnown?.(() => {
    drawOperator();
    draw();
  });
  return [
    nameField(label, condition, kind, row, of, named),
    labelled("Comparison", operator, "rule-operator"),
    value, more, note, options,
  ];
}

/** A list of comparisons which all hold: `holder.where`. */
export function wheres(holder, row, { label, add, remove, of }) {
  const list = h("ol", { class: "rule-wheres" });
  const again = (focus) => row.redraw(focus);
  for (const condition of holder.where || []) {
    const item = h("li", {}, ...comparisonFields(label, "property", condition, row, of));
    item.querySelector(":scope > .rule-fold").before(quiet("Remove", () => {
      holder.where = holder.where.filter((one) => one !== condition);
      if (!holder.where.length) delete holder.where;
      again((root) => root.querySelector(".rule-where"));
    }, { "aria-label": remove }));
    list.append(item);
  }
  const more = quiet(add, () => {
    const condition = blank("property");
    row.stateOf(condition).isNew = true;
    holder.where = [...(holder.where || []), condition];
    again((root) => [...root.querySelectorAll("[data-name=property]")].at(-1));
  }, { class: "rule-quiet rule-where" });
  return [list, more];
}
