// A condition on what somebody did: how often, when, where its properties compare, and what
// comes together in them.
import { checkbox, h, input, labelled, quiet, select } from "./elements.js";
import { canDraw as canCompare, nameField, wheres } from "./comparison.js";
import { data } from "./names.js";
import { asNumber, textOf, zoneField } from "./values.js";

const OFTEN = ["at_least", "at_most", "exactly", "pick"];
const WHEN = {
  within_days: ["within_days"],
  within_hours: ["within_hours"],
  before_days: ["before_days"],
  between_days: ["between_days"],
  dates: ["from", "until"],
};
const OFTEN_CHOICES = [
  ["did", "did"],
  ["not", "did not do"],
  ["at_least", "did at least … times"],
  ["at_most", "did at most … times"],
  ["exactly", "did exactly … times"],
  ["first", "did for the first time"],
  ["last", "did for the last time"],
];
const WHEN_CHOICES = [
  ["ever", "ever"],
  ["within_days", "in the last … days"],
  ["within_hours", "in the last … hours"],
  ["before_days", "more than … days ago"],
  ["between_days", "between … and … days ago"],
  ["dates", "between two dates"],
];
const SUMS = [
  ["sum", "the sum"], ["average", "the average"], ["smallest", "the smallest"],
  ["largest", "the largest"], ["distinct", "how many different"],
];
const SUM_IS = [["greater", "is greater than"], ["less", "is less than"], ["between", "is between"], ["equals", "equals"]];
const KEYS = new Set(["event", ...OFTEN, ...Object.values(WHEN).flat(), "calendar", "zone", "where", "aggregate"]);

/** Whether the server knows all of the keys. */
const knows = (...keys) => keys.every((key) => (data.event_keys || []).includes(key));

const isSet = (value) => value !== undefined && value !== null;
const isText = (value) => typeof value === "string";
const isPlain = (value) => isText(value) || typeof value === "number" || Boolean(JSON.isRawJSON?.(value));
const isPair = (value) => Array.isArray(value) && value.length === 2 && value.every(isPlain);

export const blank = () => ({ event: "", at_least: 1 });

export function canDraw(rule) {
  const whens = Object.values(WHEN).filter((keys) => keys.some((key) => isSet(rule[key])));
  return Object.keys(rule).every((key) => KEYS.has(key))
    && isText(rule.event)
    && OFTEN.filter((key) => isSet(rule[key])).length <= 1
    && (!isSet(rule.pick) || ["first", "last"].includes(rule.pick))
    && whens.length <= 1
    && [...OFTEN, "within_days", "within_hours", "before_days", "from", "until", "zone"]
      .every((key) => !isSet(rule[key]) || isPlain(rule[key]))
    && (!isSet(rule.between_days) || isPair(rule.between_days))
    && (!isSet(rule.calendar) || typeof rule.calendar === "boolean")
    && canDrawWhere(rule.where)
    && (!isSet(rule.aggregate) || canDrawSum(rule.aggregate));
}

export const canDrawWhere = (where) =>
  !isSet(where) || (Array.isArray(where) && where.every((one) => canCompare("property", one)));

function canDrawSum(sum) {
  return typeof sum === "object" && !Array.isArray(sum)
    && Object.keys(sum).every((key) => ["of", "by", "is", "value"].includes(key))
    && isText(sum.of)
    && SUMS.some(([key]) => key === sum.by)
    && SUM_IS.some(([key]) => key === sum.is)
    && (sum.is === "between" ? isPair(sum.value) : isPlain(sum.value));
}

export function fields(row) {
  const { rule } = row;
  const never = h("p", { class: "rule-fold" }, "Also whoever never did it, and who is new.");
  const say = () => {
    never.hidden = !takesNobody(row);
  };
  const changed = () => {
    say();
    row.changed();
  };
  say();
  return [
    ...oftenFields({ ...row, changed }),
    nameField("The event", rule, "event", row, { kind: "event" }),
    ...whenFields(row),
    never,
    ...(rule.aggregate ? sumFields(row) : []),
    ...footFields(row),
  ];
}

function oftenOf({ rule, node }) {
  if (rule.pick) return rule.pick;
  const counted = ["at_most", "exactly"].find((key) => isSet(rule[key]));
  if (counted) return counted;
  if (isSet(rule.at_least) && rule.at_least !== 1) return "at_least";
  return node.not && !rule.aggregate ? "not" : "did";
}

/** Whether “did not do” says the condition's “not”. */
export const saysNot = (row) => oftenOf(row) === "not";

/** Whether it is so of people who never did it. */
function takesNobody({ rule, node }) {
  const isSo = isSet(rule.at_most) || rule.exactly === 0;
  return isSo !== Boolean(node.not);
}

function oftenFields(row) {
  const { rule, node } = row;
  // What is added up is said further on.
  if (rule.aggregate) return [];
  const often = oftenOf(row);
  const keyOf = { did: "event", not: "event", first: "pick", last: "pick" };
  const choices = OFTEN_CHOICES.filter(([key]) => knows(keyOf[key] ?? key));
  const did = select("did", choices, often, (key) => {
    if (often === "not" || key === "not") node.not = key === "not";
    for (const each of OFTEN) delete rule[each];
    if (key === "first" || key === "last") rule.pick = key;
    else rule[key in { did: 1, not: 1 } ? "at_least" : key] = key === "at_least" ? 2 : 1;
    row.redraw((root) => root.querySelector("[data-name=did]"));
  });
  const found = [labelled("They", did, "rule-did")];
  if (OFTEN.includes(often)) found.push(numberField("Times", rule, often, row));
  return found;
}

function numberField(label, object, key, row, attributes = {}) {
  return labelled(label, input(key, textOf(object[key]), (text) => {
    object[key] = asNumber(text);
    row.changed();
  }, { inputmode: "numeric", ...attributes }), "rule-short");
}

export const whenOf = (rule) =>
  Object.keys(WHEN).find((when) => WHEN[when].some((key) => isSet(rule[key]))) ?? "ever";

function whenFields(row) {
  const { rule } = row;
  const when = row.stateOf(rule).when ?? whenOf(rule);
  const control = select("when", WHEN_CHOICES.filter(([key]) => knows(...(WHEN[key] ?? []))), when, (key) => {
    for (const each of Object.values(WHEN).flat()) delete rule[each];
    if (key === "within_days" || key === "before_days") rule[key] = 30;
    if (key === "within_hours") rule[key] = 24;
    if (key === "between_days") rule[key] = [30, 60];
    if (!["within_days", "between_days"].includes(key)) delete rule.calendar;
    if (key === "dates") setZone(rule);
    else if (!rule.calendar) delete rule.zone;
    row.stateOf(rule).when = key;
    row.redraw((root) => root.querySelector("[data-name=when]"));
  });
  const found = [labelled("When", control, "rule-when")];
  if (when === "within_days") found.push(numberField("Days", rule, when, row));
  if (when === "within_hours") found.push(numberField("Hours", rule, when, row));
  if (when === "before_days") found.push(numberField("Days ago", rule, when, row));
  if (when === "between_days") {
    const end = (n, label) => labelled(label, input(when, textOf(rule.between_days[n]), (text) => {
      rule.between_days = rule.between_days.map((one, i) => (i === n ? asNumber(text) : one));
      row.changed();
    }, { inputmode: "numeric" }), "rule-short");
    found.push(h("div", { class: "rule-value" }, end(0, "From (days ago)"), end(1, "To (days ago)")));
  }
  if (when === "dates") {
    found.push(h("div", { class: "rule-value" },
      dateField("From", "from", row), dateField("Until, that day included", "until", row)));
  }
  return found;
}

/** Days begin where the site is, unless something else is said. */
function setZone(rule) {
  if (data.zone !== "UTC") rule.zone ??= data.zone;
}

function dateField(label, key, row) {
  const { rule } = row;
  const isDay = !rule[key] || /^\d{4}-\d\d-\d\d$/.test(rule[key]);
  return labelled(label, input(key, rule[key], (text) => {
    if (text) rule[key] = text;
    else delete rule[key];
    row.changed();
  }, isDay ? { type: "date" } : {}), "rule-day");
}

/** What comes together in the events that count, such as the sum of their amounts. */
function sumFields(row) {
  const { rule } = row;
  const sum = rule.aggregate;
  const set = (key) => (value) => {
    sum[key] = value;
    row.changed();
  };
  const value = (label, get, put) => labelled(label, input("value", textOf(get()), (text) => put(asNumber(text)), { inputmode: "decimal" }), "rule-short");
  const values = sum.is === "between"
    ? [0, 1].map((n) => value(["From", "To"][n], () => sum.value[n],
      (number) => set("value")(sum.value.map((one, i) => (i === n ? number : one)))))
    : [value("Number", () => sum.value, set("value"))];
  const is = select("is", SUM_IS, sum.is, (key) => {
    sum.is = key;
    sum.value = key === "between" ? [[sum.value].flat()[0], ""] : [sum.value].flat()[0];
    row.redraw((root) => root.querySelector(".rule-sum [data-name=is]"));
  });
  const group = h("div", { class: "rule-sum", role: "group", "aria-label": "Added up" },
    labelled("Of these events", select("by", SUMS, sum.by, set("by")), "rule-did"),
    nameField("Of the property", sum, "of", row, { kind: "property", event: () => rule.event }),
    labelled("Comparison", is, "rule-operator"), h("div", { class: "rule-value" }, ...values),
    quiet("Remove", () => {
      delete rule.aggregate;
      rule.at_least = 1;
      row.redraw((root) => root.querySelector("[data-name=did]"));
    }, { "aria-label": "Remove what is added up" }));
  return [group];
}

function footFields(row) {
  const { rule, node } = row;
  const [list, addWhere] = wheres(rule, row, {
    label: "Property", add: "Where a property …", remove: "Remove this property",
    of: { kind: "property", event: () => rule.event },
  });
  const when = row.stateOf(rule).when ?? whenOf(rule);
  const addSum = knows("aggregate") && !rule.aggregate && !rule.pick && quiet("Add up a property …", () => {
    node.not = false;
    for (const each of OFTEN) delete rule[each];
    rule.aggregate = { of: "", by: "sum", is: "greater", value: "" };
    row.redraw((root) => root.querySelector(".rule-sum [data-name=of]"));
  });
  const canCalendar = knows("calendar") && (when === "within_days" || when === "between_days");
  const state = row.stateOf(rule);
  state.options ??= Boolean(rule.calendar || rule.zone);
  const fields = [
    canCalendar && checkbox("calendar", "Whole calendar days, not 24 hours each", rule.calendar === true, (isOn) => {
      if (isOn) {
        rule.calendar = true;
        setZone(rule);
      } else {
        delete rule.calendar;
        delete rule.zone;
      }
      row.redraw((root) => root.querySelector("[data-name=calendar]"));
    }),
    (when === "dates" || (canCalendar && rule.calendar)) && zoneField(rule, row.changed),
    // What “did not do” cannot say.
    (!["did", "not"].includes(oftenOf(row)) || rule.aggregate || (node.not && !saysNot(row))) && row.notField(),
  ];
  return [list, ...row.optionsAfter([addWhere, addSum], ...fields)];
}
