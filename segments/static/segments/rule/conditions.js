// One condition in the rule's form: an attribute compared, or an event that was or was
// not done, where its properties compare.
import { button, h, input, labelled, nextId, select } from "./elements.js";
import { offerProperties } from "./names.js";

const NUMBER = /^-?\d+(\.\d+)?$/;

export const asNumber = (text) => (NUMBER.test(text) ? Number(text) : text);

export class Conditions {
  /** `operators` are [key, label, what it takes]; `changed` is called after a change. */
  constructor(operators, changed) {
    this.operators = operators;
    this.takes = Object.fromEntries(operators.map(([key, , takes]) => [key, takes]));
    this.changed = changed;
  }

  fields(condition) {
    return "event" in condition ? this.eventFields(condition) : this.comparison("attribute", condition);
  }

  eventFields(condition) {
    const wheres = h("ol", { class: "rule-wheres" });
    const addWhere = (where) => {
      const item = h("li", {}, ...this.comparison("property", where));
      item.append(button("Remove", () => this.removeWhere(item, wheres), { "aria-label": "Remove this property" }));
      wheres.append(item);
      return item;
    };
    (Array.isArray(condition.where) ? condition.where : []).forEach(addWhere);
    const did = select("did", [["did", "did"], ["not", "did not do"]], condition.did === false ? "not" : "did");
    return [
      labelled("They", did, "rule-short"),
      labelled("The event", input("event", condition.event, { list: "known-events" }), "rule-name"),
      labelled("At least (times)", input("at_least", condition.at_least ?? 1, { inputmode: "numeric" }), "rule-short"),
      labelled("In the last (days)", input("within_days", condition.within_days, { inputmode: "numeric", placeholder: "ever" }), "rule-short"),
      button("Where a property …", () => {
        addWhere({ property: "", is: "equals", value: "" }).querySelector("input").focus();
        this.changed();
      }, { class: "lb-button lb-button--default rule-where" }),
      wheres,
    ];
  }

  removeWhere(item, wheres) {
    item.remove();
    this.changed();
    wheres.closest("fieldset").querySelector(".rule-where").focus();
  }

  /** Name, comparison and value: of an attribute, or of an event's property. */
  comparison(kind, condition) {
    const label = kind === "attribute" ? "Attribute" : "Property";
    const list = kind === "attribute" ? "known-attributes" : nextId("properties");
    const operator = select("is", this.operators, condition.is);
    const value = h("div", { class: "rule-value" }, ...this.valueFields(condition.is, condition.value));
    operator.addEventListener("change", () => {
      const typed = value.querySelector("input, textarea")?.value;
      value.replaceChildren(...this.valueFields(operator.value, typed));
    });
    const name = input(kind, condition[kind], { list });
    if (kind === "property") offerProperties(name, list);
    return [labelled(label, name, "rule-name"), labelled("Comparison", operator, "rule-operator"), value];
  }

  valueFields(operator, value) {
    const takes = this.takes[operator];
    if (takes === "nothing") return [];
    if (takes === "pair") {
      const [from, to] = Array.isArray(value) ? value : [value, ""];
      return [labelled("From", input("value", from)), labelled("To", input("value", to))];
    }
    if (takes === "values") {
      const area = h("textarea", { "data-name": "value", rows: 3 });
      area.value = Array.isArray(value) ? value.join("\n") : value ?? "";
      return [labelled("One value a line", area)];
    }
    const one = Array.isArray(value) ? value[0] : value;
    if (takes === "days") return [labelled("Days", input("value", one, { inputmode: "numeric" }), "rule-short")];
    return [labelled(takes === "bound" ? "Number or date" : "Value", input("value", one))];
  }

  /** What is typed in the condition's fields. */
  read(item) {
    if (item.dataset.kind === "attribute") return this.readComparison(item, "attribute");
    const text = (name) => item.querySelector(`[data-name=${name}]`).value.trim();
    const condition = { event: text("event"), at_least: asNumber(text("at_least")) };
    if (text("within_days")) condition.within_days = asNumber(text("within_days"));
    const wheres = [...item.querySelectorAll(".rule-wheres > li")];
    if (wheres.length) condition.where = wheres.map((where) => this.readComparison(where, "property"));
    return text("did") === "not" ? { ...condition, did: false } : condition;
  }

  readComparison(item, kind) {
    const operator = item.querySelector("[data-name=is]").value;
    const values = [...item.querySelectorAll("[data-name=value]")].map((field) => field.value.trim());
    const condition = { [kind]: item.querySelector(`[data-name=${kind}]`).value.trim(), is: operator };
    const takes = this.takes[operator];
    if (takes === "pair") condition.value = values.map(asNumber);
    else if (takes === "values") condition.value = values[0].split("\n").map((line) => line.trim()).filter(Boolean);
    else if (takes === "bound" || takes === "days") condition.value = asNumber(values[0]);
    else if (takes !== "nothing") condition.value = values[0];
    return condition;
  }
}
