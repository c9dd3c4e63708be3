// A condition on several events in their order: A, then B, and not C between them.
import { h, input, labelled, quiet } from "./elements.js";
import { nameField, wheres } from "./comparison.js";
import { canDrawWhere } from "./event.js";
import { asNumber, textOf } from "./values.js";

const MOST = 5;
const KEYS = new Set(["sequence", "within_hours", "without", "within_days"]);
const blankStep = () => ({ event: "" });

export const blank = () => ({ sequence: [blankStep(), blankStep()], within_hours: 24 });

export function canDraw(rule) {
  return Object.keys(rule).every((key) => KEYS.has(key))
    && Array.isArray(rule.sequence) && rule.sequence.length && rule.sequence.every(canDrawStep)
    && (rule.without === undefined || rule.without === null || canDrawStep(rule.without))
    && ["within_hours", "within_days"].every((key) => ["undefined", "number", "string"].includes(typeof rule[key]) || rule[key] === null);
}

const canDrawStep = (step) => step !== null && typeof step === "object" && typeof step.event === "string"
  && Object.keys(step).every((key) => key === "event" || key === "where") && canDrawWhere(step.where);

export function fields(row) {
  const { rule } = row;
  const steps = h("ol", { class: "rule-steps" }, ...rule.sequence.map((step, n) => h("li", {},
    ...stepFields(n === 0 ? "First the event" : "Then the event", step, row),
    rule.sequence.length > 2 && quiet("Remove", () => {
      rule.sequence = rule.sequence.filter((one) => one !== step);
      row.redraw((root) => root.querySelectorAll(".rule-steps [data-name=event]")[Math.max(0, n - 1)]);
    }, { "aria-label": `Remove step ${n + 1}` }))));
  const without = rule.without && h("div", { class: "rule-sum", role: "group", "aria-label": "Not between them" },
    ...stepFields("And not between the first and the last", rule.without, row),
    quiet("Remove", () => {
      delete rule.without;
      row.redraw((root) => root.querySelector(".rule-add-without"));
    }, { "aria-label": "Remove what is not between them" }));
  const addStep = rule.sequence.length < MOST && quiet("Then another event …", () => {
    rule.sequence = [...rule.sequence, blankStep()];
    row.redraw((root) => [...root.querySelectorAll(".rule-steps [data-name=event]")].at(-1));
  });
  const addWithout = !rule.without && quiet("And not between them …", () => {
    rule.without = blankStep();
    row.redraw((root) => root.querySelector(".rule-sum [data-name=event]"));
  }, { class: "rule-quiet rule-add-without" });
  return [
    steps, without,
    number("From first to last within (hours)", "within_hours", row),
    number("All of it in the last (days)", "within_days", row),
    ...row.optionsAfter([addStep, addWithout], row.notField()),
  ];
}

function stepFields(label, step, row) {
  const [list, add] = wheres(step, row, {
    label: "Property", add: "Where a property …", remove: "Remove this property",
    of: { kind: "property", event: () => step.event },
  });
  return [nameField(label, step, "event", row, { kind: "event" }), list, add];
}

function number(label, key, row) {
  const { rule } = row;
  return labelled(label, input(key, textOf(rule[key] ?? ""), (text) => {
    if (text) rule[key] = asNumber(text);
    else delete rule[key];
    row.changed();
  }, { inputmode: "numeric", placeholder: "any" }), "rule-medium");
}
