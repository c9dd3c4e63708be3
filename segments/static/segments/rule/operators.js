// Which comparisons fit which type of value, in the order in which they are offered, and
// which value and options each takes. What segments/rules/ has besides is offered last.
import { data } from "./names.js";

const ANY = ["is_present", "is_missing"];
const TEXT = ["equals", "not_equals", "in", "not_in", "contains", "not_contains", "starts_with", "ends_with", "matches"];
const NUMBER = ["equals", "not_equals", "greater", "less", "between", "in", "not_in"];
const DATE = ["in_last_days", "in_next_days", "date_is", "date_before", "date_after", "date_between", "anniversary_in", "anniversary_within", "weekday_in"];
const LIST = ["has_any", "has_all", "has_none", "size_is", "size_at_least", "size_at_most", "contains"];
const FITTING = {
  text: { label: "For a text", keys: [...TEXT, ...ANY] },
  number: { label: "For a number", keys: [...NUMBER, ...ANY] },
  boolean: { label: "For true or false", keys: ["equals", "not_equals", ...ANY] },
  date: { label: "For a date", keys: [...DATE, ...ANY] },
  list: { label: "For a list", keys: [...LIST, ...ANY] },
  objects: { label: "For a list of objects", keys: ["size_is", "size_at_least", "size_at_most", ...ANY] },
};

const OPERATORS = Object.fromEntries((data.operators || []).map((one) => [one.key, one]));
export const OPTIONS = ["fold", "numbers_in_text", "calendar", "zone"];
export const isKnown = (key) => Object.hasOwn(OPERATORS, key);
/** What a number is a number of: days, values. */
export const unitOf = (key) => OPERATORS[key]?.unit || "days";
/** Which kind of value a comparison takes. */
export const takes = (key) => OPERATORS[key]?.takes;
export const takesOption = (key, option) => (OPERATORS[key]?.options || []).includes(option);

/** What is to be known of a comparison, turned round or not; empty where nothing is. */
export function noteOf({ is: key, calendar }, isNot) {
  const { is_opposite: isOpposite, note } = OPERATORS[key] ?? {};
  const isAsked = ANY.includes(key);
  const hasMissing = !isAsked && Boolean(isOpposite) !== Boolean(isNot);
  return [hasMissing && "Also where there is no value.", !calendar && note].filter(Boolean).join(" ");
}

const textOf = ({ label, unit }) => (unit ? `${label} … ${unit}` : label);
const pairs = (keys) => keys.filter(isKnown).map((key) => [key, textOf(OPERATORS[key])]);

/** The comparisons as a select's choices: those that fit the type first. */
export function choicesFor(type) {
  const fitting = FITTING[type];
  if (!fitting) return byType();
  const others = Object.keys(OPERATORS).filter((key) => !fitting.keys.includes(key));
  return [{ label: fitting.label, choices: pairs(fitting.keys) }, { label: "For other values", choices: pairs(others) }];
}

/** Of a type that nobody knows: each under the first type that it fits. */
function byType() {
  const left = new Set(Object.keys(OPERATORS));
  const take = (keys) => {
    const taken = keys.filter((key) => left.delete(key));
    return pairs(taken);
  };
  return [
    { label: "Anything", choices: take(["equals", "not_equals", "in", "not_in", ...ANY]) },
    { label: "For a text", choices: take(TEXT) },
    { label: "For a number", choices: take(NUMBER) },
    { label: "For a date", choices: take(DATE) },
    { label: "For a list", choices: take(LIST) },
    { label: "Others", choices: take([...left]) },
  ].filter(({ choices }) => choices.length);
}

/** The comparison to begin with for a type. */
export const firstFor = (type) => pairs(FITTING[type]?.keys ?? ["equals"])[0]?.[0] ?? "equals";
