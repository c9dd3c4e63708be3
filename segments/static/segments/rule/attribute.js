// A condition on who somebody is: an attribute compared, or the objects of a list in it.
import { h, input, labelled, select } from "./elements.js";
import { blank as blankComparison, canDraw as canCompare, comparisonFields, nameField, wheres } from "./comparison.js";
import { canDrawWhere } from "./event.js";
import { data, examplesOf } from "./names.js";
import { asNumber, textOf } from "./values.js";

const ITEMS = [
  ["any", "at least one"], ["all", "all"], ["none", "none"],
  ["exactly", "exactly … of them"], ["at_least", "at least … of them"], ["at_most", "at most … of them"],
];
const COUNTED = ["exactly", "at_least", "at_most"];
const ITEM_KEYS = new Set(["attribute", "items", "count", "where"]);

export const blank = () => blankComparison("attribute");
export const blankItems = () => ({ attribute: "", items: "any", where: [blankComparison("property")] });

export function canDraw(rule) {
  if (!Object.hasOwn(rule, "items")) return canCompare("attribute", rule);
  return Object.keys(rule).every((key) => ITEM_KEYS.has(key))
    && typeof rule.attribute === "string"
    && ITEMS.some(([key]) => key === rule.items)
    && ["undefined", "number", "string"].includes(typeof rule.count)
    && Array.isArray(rule.where) && canDrawWhere(rule.where);
}

export const fields = (row) => (row.rule.items === undefined ? compared(row) : items(row));

function compared(row) {
  const { rule } = row;
  // A list of objects is asked for its items, unless something else was said already.
  const named = (type) => {
    if (type !== "objects" || !data.kinds?.includes("items") || rule.value !== "") return false;
    delete rule.is;
    delete rule.value;
    Object.assign(rule, { items: "any", where: [blankComparison("property")] });
    row.redraw((root) => root.querySelector("[data-name=property]"));
    return true;
  };
  const extra = () => [row.notField()];
  return comparisonFields("Attribute", "attribute", rule, row, { kind: "attribute", named, extra, isOpen: row.node.not, isNot: row.node.not });
}

/** Whether it is so of people who have no items. */
function takesNone({ rule, node }) {
  const isSo = rule.items === "none" || rule.items === "at_most" || (rule.items === "exactly" && rule.count === 0);
  return isSo !== Boolean(node.not);
}

function items(row) {
  const { rule } = row;
  let known = [];
  const heard = new Set();
  const learn = async () => {
    const name = rule.attribute;
    const { fields: found } = await examplesOf("attribute", name);
    if (rule.attribute !== name) return;
    known = found;
    for (const hear of heard) hear();
  };
  const of = {
    kind: "property",
    options: async () => {
      const { fields: found } = await examplesOf("attribute", rule.attribute);
      return found.map(({ name, label, about }) => ({ value: name, type: label, about }));
    },
    names: () => known.map(({ name }) => ({ value: name })),
    type: (name) => known.find((one) => one.name === name)?.type ?? "",
    said: (name) => {
      const one = known.find((each) => each.name === name);
      if (one) return { text: [one.label, one.about].filter(Boolean).join(" · ") };
      return name && known.length ? { isWarning: true, text: `No item with “${name}” was seen.` } : null;
    },
    whenKnown: (hear) => heard.add(hear),
  };
  const quantifier = select("items", ITEMS, rule.items, (key) => {
    rule.items = key;
    if (!COUNTED.includes(key)) delete rule.count;
    else rule.count ??= 1;
    row.redraw((root) => root.querySelector("[data-name=items]"));
  });
  const [list, add] = wheres(rule, row, {
    label: "Field of the item", add: "And where …", remove: "Remove this field", of,
  });
  learn();
  return [
    nameField("A list of objects", rule, "attribute", row, { kind: "attribute" }, learn),
    labelled("How many items", quantifier, "rule-operator"),
    COUNTED.includes(rule.items) && labelled("Items", input("count", textOf(rule.count), (text) => {
      rule.count = asNumber(text);
      row.changed();
    }, { inputmode: "numeric" }), "rule-short"),
    h("p", { class: "rule-fold" }, [takesNone(row) && "Also whoever has no items.", "Where, of one and the same item,"].filter(Boolean).join(" ")),
    list,
    ...row.optionsAfter([add], row.notField()),
  ];
}
