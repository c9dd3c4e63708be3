// A rule of segments/rules/tree.py as the form shows it, and back.
//
//   group      {group: "all" | "any" | "none" | "not_all", items: [group or condition, …]}
//   condition  {attribute, is, value} or {event, at_least, within_days, where, did: false?}
const GROUPS = { all: "all", any: "any", none: "any", not_all: "all" };

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const has = (rule, key) => Object.hasOwn(rule, key);

/** The rule as a group; null for what is no rule. */
export function asGroup(rule) {
  if (!isObject(rule)) return null;
  if (!Object.keys(rule).length) return { group: "all", items: [] };
  const item = asItem(rule);
  return item && !item.group ? { group: "all", items: [item] } : item;
}

function asItem(rule) {
  if (!isObject(rule)) return null;
  if (has(rule, "attribute")) return rule;
  if (has(rule, "event")) return rule;
  if (has(rule, "not")) return negated(rule.not);
  for (const group of ["all", "any"]) {
    if (!has(rule, group)) continue;
    if (!Array.isArray(rule[group]) || Object.keys(rule).length > 1) return null;
    const items = rule[group].map(asItem);
    return items.includes(null) ? null : { group, items };
  }
  return null;
}

function negated(rule) {
  if (!isObject(rule)) return null;
  if (has(rule, "not")) return asItem(rule.not);
  if (has(rule, "event")) return { ...rule, did: false };
  if (has(rule, "attribute")) return { group: "none", items: [rule] };
  const item = asItem(rule);
  return item && { group: item.group === "any" ? "none" : "not_all", items: item.items };
}

/** The group as a rule. */
export function asRule({ group, items }) {
  if (!items.length) return {};
  const inside = { [GROUPS[group]]: items.map((item) => (item.group ? asRule(item) : asCondition(item))) };
  return group in { none: 1, not_all: 1 } ? { not: inside } : inside;
}

function asCondition({ did = true, ...condition }) {
  return did ? condition : { not: condition };
}
