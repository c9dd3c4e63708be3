// Where a new segment may begin: rules whose names are still to be chosen, and what to
// choose at each.
import { h, nextId } from "./elements.js";
import { data } from "./names.js";

const wishes = new WeakMap();

/** What a starting point asks to choose for this key of a condition: {say, like}. */
export const wishFor = (object, key) => wishes.get(object)?.[key];

/** Cards, each of which fills the form; `begin(rule)` takes the rule. */
export function startingPoints(begin) {
  const points = data.starting_points || [];
  if (!points.length) return null;
  const title = h("p", { class: "rule-start-title", id: nextId("start") }, "Start from");
  const cards = points.map((point) =>
    h("button", { type: "button", class: "rule-start-card", onclick: () => begin(prepared(point)) },
      h("strong", {}, point.title), h("span", {}, point.about)));
  return h("div", { class: "rule-start", role: "group", "aria-labelledby": title.id }, title,
    h("div", { class: "rule-start-cards" }, ...cards));
}

/** A rule of its own, with the wishes at the conditions that they are about. */
function prepared({ rule, wishes: asked }) {
  const copy = structuredClone(rule);
  for (const { path, say, like } of asked) {
    const holder = path.slice(0, -1).reduce((part, key) => part[key], copy);
    wishes.set(holder, { ...wishes.get(holder), [path.at(-1)]: { say, like } });
  }
  return copy;
}
