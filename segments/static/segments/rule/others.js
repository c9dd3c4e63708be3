// The conditions of one or two fields: in a segment, sent, in an uploaded list, on a fixed
// list, a random share, everybody.
import { h, input, labelled, select } from "./elements.js";
import { data } from "./names.js";
import { Picker } from "./picker.js";
import { asNumber, textOf } from "./values.js";

const isId = (value) => typeof value === "number";
const only = (rule, keys) => Object.keys(rule).every((key) => keys.includes(key));
const isPlain = (value) => ["undefined", "number", "string"].includes(typeof value) || value === null;

const choices = (key) => data.choices?.[key] || [];
const NONE = {
  segment: "There is no other segment yet.",
  list: "There is no uploaded list yet: upload one under Lists, then it can be chosen here.",
};

/** They are, or are not: the condition's “not”. */
function isOrNot(row, yes, no) {
  return labelled("They", select("not", [["is", yes], ["not", no]], row.node.not ? "not" : "is", (key) => {
    row.node.not = key === "not";
    row.changed();
  }), "rule-did");
}

/** How many it has, and the way to its page: in a tab of its own, since nothing is saved yet. */
const aboutOf = (choice) => choice?.about || choice?.url ? [
  choice.about, choice.about && choice.url && " · ",
  choice.url && h("a", { href: choice.url, target: "_blank" }, `Open “${choice.text}”`),
] : [];

function chosen(label, key, row, choices) {
  const { rule } = row;
  const said = h("p", { class: "rule-said" });
  const say = () => {
    const about = aboutOf(choices.find(({ value }) => value === rule[key] && value !== null));
    said.replaceChildren(...about.filter(Boolean));
    said.hidden = !about.length;
  };
  say();
  const picker = new Picker(key, {
    value: rule[key], isStrict: true, placeholder: "choose …",
    options: () => choices,
    picked: (value) => {
      rule[key] = value;
      say();
      row.changed();
    },
  });
  const isGone = isId(rule[key]) && !choices.some(({ value }) => value === rule[key]);
  return h("div", { class: "rule-field rule-name" }, labelled(label, picker.input, "", picker.root), said,
    isGone && h("p", { class: "rule-said rule-warning" }, `There is none with the number ${rule[key]} any more.`),
    !choices.length && h("p", { class: "rule-said rule-warning" }, NONE[key]));
}

function number(label, key, row, attributes = {}) {
  const { rule } = row;
  return labelled(label, input(key, textOf(rule[key] ?? ""), (text) => {
    if (text) rule[key] = asNumber(text);
    else delete rule[key];
    row.changed();
  }, { inputmode: "decimal", ...attributes }), "rule-medium");
}

export const segment = {
  saysNot: () => true,
  blank: () => ({ segment: "" }),
  canDraw: (rule) => only(rule, ["segment"]) && isPlain(rule.segment),
  fields: (row) => [
    isOrNot(row, "are in", "are not in"),
    chosen("The segment", "segment", row, choices("segment")),
  ],
};

export const list = {
  saysNot: () => true,
  blank: () => ({ list: "" }),
  canDraw: (rule) => only(rule, ["list"]) && isPlain(rule.list),
  fields: (row) => [
    isOrNot(row, "are in", "are not in"),
    chosen("The uploaded list", "list", row, choices("list")),
  ],
};

export const snapshot = {
  saysNot: () => true,
  canDraw: (rule) => only(rule, ["snapshot"]) && choices("snapshot").some(({ value }) => value === rule.snapshot),
  fields: (row) => {
    const { text, about, url } = choices("snapshot").find(({ value }) => value === row.rule.snapshot);
    return [
      isOrNot(row, "were in", "were not in"),
      h("div", { class: "rule-field rule-name" },
        h("p", { class: "rule-fixed" }, `the segment ${text}: a fixed list`),
        h("p", { class: "rule-said" }, about, url && " · ",
          url && h("a", { href: url, target: "_blank" }, "Open the segment as it is now"))),
    ];
  },
};

export const sent = {
  saysNot: () => true,
  blank: () => ({ sent: null }),
  canDraw: (rule) => only(rule, ["sent", "within_days"]) && isPlain(rule.sent) && isPlain(rule.within_days),
  fields: (row) => [
    isOrNot(row, "were sent", "were not sent"),
    chosen("The Engagement", "sent", row, [{ value: null, text: "any Engagement" }, ...choices("sent")]),
    number("In the last (days)", "within_days", row, { placeholder: "ever" }),
  ],
};

export const share = {
  // A salt of its own: the same people are not in every share.
  blank: () => ({ share: 10, salt: crypto.randomUUID?.().slice(0, 8) ?? String(Date.now()) }),
  canDraw: (rule) => only(rule, ["share", "salt"]) && isPlain(rule.share) && typeof rule.salt === "string",
  fields: (row) => {
    const salt = labelled("Salt", input("salt", row.rule.salt, (text) => {
      row.rule.salt = text;
      row.changed();
    }), "rule-medium");
    const about = h("p", { class: "rule-said" }, "Two shares with the same salt take the same people.");
    return [number("A random share of people (%)", "share", row), ...row.optionsAfter([], salt, about, row.notField())];
  },
};

export const everybody = {
  blank: () => ({ everybody: true }),
  canDraw: (rule) => only(rule, ["everybody"]) && rule.everybody === true,
  fields: (row) => [h("p", { class: "rule-everybody" }, "Everybody"), ...row.optionsAfter([], row.notField())],
};
