// What a comparison compares with: the fields for each kind of value, and its options.
import { checkbox, h, input, labelled, nextId, quiet, select } from "./elements.js";
import { data } from "./names.js";
import { OPTIONS, takes, takesOption, unitOf } from "./operators.js";
import { Picker } from "./picker.js";

const NUMBER = /^-?\d+(\.\d+)?$/;
// JavaScript rounds what has more.
const MOST_DIGITS = 15;
const DAY = /^\d{4}-\d\d-\d\d$/;
const DAYS = [["mon", "Mon"], ["tue", "Tue"], ["wed", "Wed"], ["thu", "Thu"], ["fri", "Fri"], ["sat", "Sat"], ["sun", "Sun"]];
// By what a comparison takes; a text where it is not here.
const SHAPES = {
  nothing: "nothing", pair: "pair", values: "lines", bound: "bound", days: "number", ahead: "number",
  day: "day", day_pair: "days", weekdays: "weekdays", size: "number",
};

/** The number that was typed, to its last digit; the text where it is none. */
export function asNumber(text) {
  if (!NUMBER.test(text)) return text;
  const isHeld = text.replace(/\D/g, "").length <= MOST_DIGITS;
  return isHeld || !JSON.rawJSON || /^-?0\d/.test(text) ? Number(text) : JSON.rawJSON(text);
}
/** How a number or a text is shown; a number that JavaScript cannot hold, as it was written. */
export const textOf = (value) => (isWritten(value) ? value.rawJSON : String(value ?? ""));
const isWritten = (value) => Boolean(JSON.isRawJSON?.(value));
const isScalar = (value) => ["string", "number", "boolean"].includes(typeof value) || isWritten(value);
const isLine = (value) => isScalar(value) && !/[\r\n]/.test(textOf(value));

export const shapeOf = (operator) => SHAPES[takes(operator)] ?? "text";

const CAN_DRAW = {
  nothing: (value) => value === undefined || value === null,
  pair: (value) => Array.isArray(value) && value.length === 2 && value.every(isLine),
  days: (value) => Array.isArray(value) && value.length === 2 && value.every(isLine),
  lines: (value) => Array.isArray(value) && value.every((one) => isLine(one) && textOf(one).trim()),
  weekdays: (value) => Array.isArray(value) && value.every((one) => DAYS.some(([key]) => key === one)),
};
export const canDrawValue = (operator, value) => (CAN_DRAW[shapeOf(operator)] ?? isLine)(value);

/** What is left of a value when another comparison is chosen; undefined: no value. */
export function valueFor(operator, value) {
  const shape = shapeOf(operator);
  const first = Array.isArray(value) ? value[0] : value;
  const text = first === undefined || first === null || first === true || first === false ? "" : first;
  if (shape === "nothing") return undefined;
  if (shape === "pair" || shape === "days") return Array.isArray(value) && value.length === 2 ? value : [text, ""];
  if (shape === "lines") return Array.isArray(value) ? value : text === "" ? [] : [textOf(text)];
  if (shape === "weekdays") return [];
  if (shape === "number") return typeof text === "number" ? text : asNumber(textOf(text));
  if (shape === "day") return DAY.test(textOf(text)) ? text : "";
  return shape === "text" ? textOf(text) : text;
}

/** The fields of `condition.value`; `examples()` promises some values of the name. */
export function valueFields(condition, type, changed, examples) {
  const operator = condition.is;
  const put = (value) => {
    condition.value = value;
    changed();
  };
  const putAt = (index, value) => put(condition.value.map((one, n) => (n === index ? value : one)));
  const { value } = condition;
  switch (shapeOf(operator)) {
    case "nothing": return [];
    case "pair": {
      const field = (n) => input("value", textOf(value[n]), (text) => putAt(n, asNumber(text)), { placeholder: type === "date" ? "2026-01-31" : null });
      return [labelled("From", field(0), "rule-short"), labelled("To", field(1), "rule-short")];
    }
    case "days": {
      const field = (n) => dayField(value[n], (text) => putAt(n, text));
      return [labelled("From", field(0), "rule-day"), labelled("To, that day included", field(1), "rule-day")];
    }
    case "day": return [labelled("Day", dayField(value, put), "rule-day")];
    case "lines": return [linesField(value, put)];
    case "weekdays": return [weekdaysField(value, put)];
    case "number": {
      const unit = unitOf(operator);
      const label = unit[0].toUpperCase() + unit.slice(1);
      return [labelled(label, input("value", textOf(value), (text) => put(asNumber(text)), { inputmode: "numeric" }), "rule-short")];
    }
    case "bound": {
      const label = { number: "Number", date: "Date or time" }[type] ?? "Number or date";
      return [labelled(label, input("value", textOf(value), (text) => put(asNumber(text))), "rule-short")];
    }
    default: return [textField(operator, value, type, put, examples)];
  }
}

function textField(operator, value, type, put, examples) {
  const isYesNo = value === "" || String(value) === "true" || String(value) === "false";
  if (type === "boolean" && isYesNo && (operator === "equals" || operator === "not_equals")) {
    const choices = [...(value === "" ? [["", "choose …"]] : []), ["true", "true"], ["false", "false"]];
    return labelled("Value", select("value", choices, String(value), (key) => put(key === "" ? "" : key === "true")), "rule-short");
  }
  const picker = new Picker("value", {
    value: textOf(value),
    options: async () => (await examples()).map((one) => ({ value: one })),
    picked: put,
  });
  return labelled("Value", picker.input, "", picker.root);
}

function dayField(value, put) {
  const isDay = value === "" || DAY.test(textOf(value));
  return input("value", textOf(value), put, isDay ? { type: "date" } : {});
}

function linesField(value, put) {
  const area = h("textarea", { "data-name": "value", rows: 4, spellcheck: "false" });
  area.value = value.map(textOf).join("\n");
  const count = h("span", { role: "status" });
  const split = quiet("Split at commas", () => {
    area.value = lines(area.value.replaceAll(/[,;]/g, "\n")).join("\n");
    read();
    area.focus();
  });
  const say = () => {
    const found = lines(area.value);
    const twice = found.length - new Set(found).size;
    count.textContent = `${found.length.toLocaleString("en")} ${found.length === 1 ? "value" : "values"}`
      + (twice ? `, ${twice.toLocaleString("en")} of them more than once` : "");
    split.hidden = !/[,;]/.test(area.value);
  };
  const read = () => {
    put(lines(area.value));
    say();
  };
  area.addEventListener("input", read);
  // A row or a column of a spreadsheet: a cell is a value.
  area.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text/plain");
    if (!text.includes("\t")) return;
    event.preventDefault();
    area.setRangeText(text.replaceAll("\t", "\n"), area.selectionStart, area.selectionEnd, "end");
    read();
  });
  say();
  return labelled("One value a line, or pasted", area, "rule-lines",
    h("div", {}, area, h("p", { class: "rule-count" }, count, split)));
}

const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

function weekdaysField(value, put) {
  let chosen = new Set(value);
  const boxes = DAYS.map(([key, text]) => checkbox("value", text, chosen.has(key), (isChosen) => {
    chosen = new Set(isChosen ? [...chosen, key] : [...chosen].filter((one) => one !== key));
    put(DAYS.map(([day]) => day).filter((day) => chosen.has(day)));
  }));
  return h("div", { role: "group", "aria-label": "Days of the week", class: "rule-weekdays" }, ...boxes);
}

// --- Options ---------------------------------------------------------------------------

/** The options that a comparison takes, as fields; `redraw` where one brings another. */
export function optionFields(condition, changed, redraw) {
  const { is } = condition;
  const flag = (key, text) => takesOption(is, key) && checkbox(key, text, condition[key] === true, (isOn) => {
    if (isOn) condition[key] = true;
    else delete condition[key];
    if (key === "calendar") {
      setZone(condition);
      redraw();
    }
    changed();
  });
  return [
    flag("fold", "Upper and lower case, and accents, make no difference"),
    flag("numbers_in_text", "A text such as “10” counts as the number"),
    flag("calendar", "Whole calendar days, not 24 hours each"),
    readsDays(condition) && zoneField(condition, changed),
  ].filter(Boolean);
}

/** Whether it asks on which day something is: that depends on the time zone. */
const readsDays = ({ is, calendar }) => takesOption(is, "zone") && (!takesOption(is, "calendar") || calendar === true);

/** The site's time zone for a comparison of days that is new; none for another. */
function setZone(condition) {
  if (!readsDays(condition)) delete condition.zone;
  else if (data.zone !== "UTC") condition.zone ??= data.zone;
}

/** In which time zone a day begins; UTC where none is given. */
export function zoneField(condition, changed) {
  const picker = new Picker("zone", {
    value: condition.zone ?? "",
    placeholder: "UTC",
    options: () => ["UTC", ...Intl.supportedValuesOf("timeZone")].map((value) => ({ value })),
    picked: (value) => {
      if (value) condition.zone = value;
      else delete condition.zone;
      changed();
    },
  });
  return labelled("Days begin in the time zone", picker.input, "rule-zone", picker.root);
}

/** Begin a comparison as is right for new ones, and leave out options that it cannot have. */
export function setDefaults(condition) {
  for (const option of OPTIONS) if (!takesOption(condition.is, option)) delete condition[option];
  setZone(condition);
}

/** “10” counts as 10 in a new comparison of numbers; a date has no such option. */
export function setNumbers(condition) {
  if (!takesOption(condition.is, "numbers_in_text")) return;
  const isOfNumbers = [condition.value].flat().every((one) => typeof one === "number" || isWritten(one));
  if (isOfNumbers) condition.numbers_in_text ??= true;
  else delete condition.numbers_in_text;
}

/** A button that opens a part which stays closed where nothing in it is set. */
export function disclosure(text, part, state, key) {
  part.id = nextId("part");
  part.hidden = !state[key];
  const toggle = quiet(text, () => {
    state[key] = part.hidden;
    part.hidden = !part.hidden;
    toggle.setAttribute("aria-expanded", String(!part.hidden));
    if (!part.hidden) part.querySelector("input, select, textarea, button")?.focus();
  }, { "aria-expanded": String(!part.hidden), "aria-controls": part.id });
  return toggle;
}
