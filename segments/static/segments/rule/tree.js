// A rule of segments/rules/ as the form shows it, and back.
//
//   group      {group: "all" | "any" | "none" | "not_all", items: [node, …]}
//   condition  {kind, rule, not}: one that the form has fields for; `not` stands around it
//   the rest   {kind: "json", rule}: kept as it is
//
// A condition's rule is the object that was read: what nobody touches is written as it was.
const GROUPS = { all: "all", any: "any", none: "any", not_all: "all" };

export const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isOnly = (rule, key) => isObject(rule) && Object.hasOwn(rule, key) && Object.keys(rule).length === 1;

/**
 * The rule of a JSON text. Numbers that JavaScript cannot hold stay as they are written;
 * where the browser cannot do that, the text is an error.
 */
export function parse(text) {
  return JSON.parse(text, (_key, value, context) => {
    if (typeof value !== "number") return value;
    const isHeld = context?.source ? String(value) === context.source : Math.abs(value) <= Number.MAX_SAFE_INTEGER;
    if (isHeld) return value;
    if (!JSON.rawJSON) throw new RangeError("a number that this browser would round");
    return JSON.rawJSON(context.source);
  });
}

/** A rule as people read it: what has no objects in it is in one line. */
export function write(rule, indent = "") {
  const isList = Array.isArray(rule);
  if (!isList && (!isObject(rule) || JSON.isRawJSON?.(rule))) return JSON.stringify(rule);
  if (isList && !rule.some((one) => Array.isArray(one) || isObject(one))) {
    return `[${rule.map((one) => JSON.stringify(one)).join(", ")}]`;
  }
  const inside = `${indent}  `;
  const lines = isList
    ? rule.map((one) => write(one, inside))
    : Object.entries(rule).map(([key, value]) => `${JSON.stringify(key)}: ${write(value, inside)}`);
  const [open, close] = isList ? "[]" : "{}";
  return lines.length ? `${open}\n${inside}${lines.join(`,\n${inside}`)}\n${indent}${close}` : open + close;
}

/** The whole rule as a group; null for what is no rule. `kindOf` names a condition's kind. */
export function asRoot(rule, kindOf) {
  if (!isObject(rule)) return null;
  if (!Object.keys(rule).length) return { group: "all", items: [] };
  const node = asNode(rule, kindOf);
  // One condition without a group around it stays one.
  return node.group ? node : { group: "all", items: [node], isBare: true };
}

export function asNode(rule, kindOf) {
  const isNot = isOnly(rule, "not");
  const inside = isNot ? rule.not : rule;
  for (const key of ["all", "any"]) {
    if (!isOnly(inside, key) || !Array.isArray(inside[key])) continue;
    const group = isNot ? { any: "none", all: "not_all" }[key] : key;
    return { group, items: inside[key].map((part) => asNode(part, kindOf)) };
  }
  const kind = isObject(inside) && kindOf(inside);
  return kind ? { kind, rule: inside, not: isNot } : { kind: "json", rule };
}

/** The node as a rule. */
export function asRule(node) {
  if (!node.group) return node.not ? { not: node.rule } : node.rule;
  if (node.isBare && node.group === "all" && node.items.length === 1) return asRule(node.items[0]);
  const inside = { [GROUPS[node.group]]: node.items.map(asRule) };
  return node.group in { none: 1, not_all: 1 } ? { not: inside } : inside;
}

/** The whole rule: without a condition, none yet. */
export const asWhole = (root) => (root.items.length ? asRule(root) : {});
