// The form of a segment: rows of conditions instead of JSON. The textarea stays the
// field: every change of a row is written into it, and what rows cannot show is edited
// there.
(() => {
  "use strict";

  const NUMBER = /^-?\d+(\.\d+)?$/;
  const CANNOT_SHOW = "Rows show one list of conditions; this rule has groups within groups, or is not JSON yet.";
  let lastId = 0;

  /** An element with attributes (`on…` are listeners) and children. */
  function h(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  function labelled(text, control, size = "") {
    control.id = `rule-control-${++lastId}`;
    return h("div", { class: `rule-field ${size}` }, h("label", { for: control.id }, text), control);
  }

  function input(name, value, attributes = {}) {
    return h("input", { "data-name": name, value: value ?? "", autocomplete: "off", ...attributes });
  }

  function select(name, choices, value) {
    const options = choices.map(([key, text]) =>
      h("option", { value: key, selected: key === value ? "" : null }, text));
    return h("select", { "data-name": name }, ...options);
  }

  /** The rule as {group, rows} where rows can show it; else null. */
  function asRows(rule) {
    if (rule === null || typeof rule !== "object" || Array.isArray(rule)) return null;
    if (Object.keys(rule).length === 0) return { group: "all", rows: [] };
    if ("attribute" in rule || "event" in rule) return { group: "all", rows: [rule] };
    const group = ["all", "any"].find((key) => key in rule);
    const isFlat = group && Object.keys(rule).length === 1 && Array.isArray(rule[group]) &&
      rule[group].every((row) => row && typeof row === "object" && ("attribute" in row || "event" in row));
    return isFlat ? { group, rows: rule[group] } : null;
  }

  class Builder {
    constructor(textarea) {
      this.textarea = textarea;
      this.operators = JSON.parse(textarea.dataset.operators);
      this.takes = Object.fromEntries(this.operators.map(([key, , takes]) => [key, takes]));
      this.list = h("ol", { class: "rule-rows" });
      this.status = h("p", { class: "rule-status", role: "status" });
      this.toggle = h("button", { type: "button", class: "lb-button lb-button--default", onclick: () => this.switchView() });
      this.rows = h("div", { class: "rule-builder" });
      this.root = h("div", { class: "lb rule" }, this.rows, h("div", { class: "rule-foot" }, this.toggle, this.status));
      textarea.before(this.root);
      this.root.addEventListener("input", () => this.write());
      this.root.addEventListener("change", () => this.write());
      if (!this.show()) this.showJSON(CANNOT_SHOW);
      this.showError();
    }

    /** Show the textarea's rule as rows; false where they cannot show it. */
    show() {
      let rule = null;
      try {
        rule = asRows(JSON.parse(this.textarea.value || "{}"));
      } catch { /* not JSON yet */ }
      if (rule === null) return false;
      this.group = select("group", [["all", "all of these"], ["any", "at least one of these"]], rule.group);
      this.list.replaceChildren(...rule.rows.map((row) => this.row(row)));
      this.rows.replaceChildren(
        labelled("People for whom", this.group, "rule-group"),
        this.list,
        h("div", { class: "rule-add" },
          h("button", { type: "button", class: "lb-button lb-button--default", onclick: () => this.add({ event: "", at_least: 1 }) }, "Add what they did"),
          h("button", { type: "button", class: "lb-button lb-button--default", onclick: () => this.add({ attribute: "", is: "equals", value: "" }) }, "Add an attribute")));
      if (!rule.rows.length) this.list.append(this.row({ event: "", at_least: 1 }));
      this.number();
      this.rows.hidden = false;
      this.textarea.hidden = true;
      this.toggle.textContent = "Edit as JSON";
      this.status.textContent = "";
      return true;
    }

    showJSON(status) {
      this.status.textContent = status;
      this.rows.hidden = true;
      this.textarea.hidden = false;
      this.toggle.textContent = "Edit as rows";
    }

    switchView() {
      if (this.textarea.hidden) {
        this.write();
        this.showJSON("");
        this.textarea.focus();
      } else if (!this.show()) {
        this.status.textContent = CANNOT_SHOW;
      }
    }

    add(row) {
      const item = this.row(row);
      this.list.append(item);
      this.number();
      item.querySelector("input").focus();
      this.write();
    }

    remove(item, back) {
      const next = item.nextElementSibling || item.previousElementSibling;
      item.remove();
      this.number();
      this.write();
      (next?.querySelector("input") || back).focus();
    }

    number() {
      [...this.list.children].forEach((item, index) => {
        item.querySelector("legend").textContent = `Condition ${index + 1}`;
        item.querySelector(":scope > fieldset > .rule-remove")
          .setAttribute("aria-label", `Remove condition ${index + 1}`);
      });
    }

    row(row) {
      const kind = "event" in row ? "event" : "attribute";
      const item = h("li", { "data-kind": kind });
      item.append(h("fieldset", {}, h("legend", {}),
        ...(kind === "event" ? this.eventFields(row) : this.comparison("attribute", row)),
        h("button", { type: "button", class: "lb-button lb-button--default rule-remove", onclick: () => this.remove(item, this.group) }, "Remove")));
      return item;
    }

    eventFields(row) {
      const wheres = h("ol", { class: "rule-wheres" });
      const addWhere = (where) => {
        const item = h("li", {}, ...this.comparison("property", where));
        item.append(h("button", {
          type: "button", class: "lb-button lb-button--default", "aria-label": "Remove this property",
          onclick: () => this.removeWhere(item, wheres),
        }, "Remove"));
        wheres.append(item);
        return item;
      };
      (Array.isArray(row.where) ? row.where : []).forEach(addWhere);
      return [
        labelled("Did the event", input("event", row.event, { list: "known-events" }), "rule-name"),
        labelled("At least (times)", input("at_least", row.at_least ?? 1, { inputmode: "numeric" }), "rule-short"),
        labelled("In the last (days)", input("within_days", row.within_days, { inputmode: "numeric", placeholder: "ever" }), "rule-short"),
        h("button", {
          type: "button", class: "lb-button lb-button--default rule-where",
          onclick: () => { addWhere({ property: "", is: "equals", value: "" }).querySelector("input").focus(); this.write(); },
        }, "Where a property …"),
        wheres,
      ];
    }

    removeWhere(item, wheres) {
      item.remove();
      this.write();
      wheres.closest("fieldset").querySelector(".rule-where").focus();
    }

    /** Name, comparison and value: of an attribute, or of an event's property. */
    comparison(kind, row) {
      const label = kind === "attribute" ? "Attribute" : "Property";
      const list = kind === "attribute" ? "known-attributes" : `known-properties-${++lastId}`;
      const operator = select("is", this.operators, row.is);
      const value = h("div", { class: "rule-value" }, ...this.valueFields(row.is, row.value));
      operator.addEventListener("change", () => {
        const typed = value.querySelector("input, textarea")?.value;
        value.replaceChildren(...this.valueFields(operator.value, typed));
      });
      const name = input(kind, row[kind], { list });
      if (kind === "property") offerProperties(name, list);
      return [
        labelled(label, name, "rule-name"),
        labelled("Comparison", operator, "rule-operator"),
        value,
      ];
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

    write() {
      if (!this.textarea.hidden) return;
      const rows = [...this.list.children].map((item) => this.read(item));
      this.textarea.value = JSON.stringify(rows.length ? { [this.group.value]: rows } : {}, null, 2);
      this.textarea.dispatchEvent(new Event("change", { bubbles: true }));
    }

    read(item) {
      if (item.dataset.kind === "attribute") return this.readComparison(item, "attribute");
      const text = (name) => item.querySelector(`[data-name=${name}]`).value.trim();
      const row = { event: text("event"), at_least: asNumber(text("at_least")) };
      if (text("within_days")) row.within_days = asNumber(text("within_days"));
      const wheres = [...item.querySelectorAll(".rule-wheres > li")];
      if (wheres.length) row.where = wheres.map((where) => this.readComparison(where, "property"));
      return row;
    }

    readComparison(item, kind) {
      const operator = item.querySelector("[data-name=is]").value;
      const values = [...item.querySelectorAll("[data-name=value]")].map((field) => field.value.trim());
      const row = { [kind]: item.querySelector(`[data-name=${kind}]`).value.trim(), is: operator };
      const takes = this.takes[operator];
      if (takes === "pair") row.value = values.map(asNumber);
      else if (takes === "values") row.value = values[0].split("\n").map((line) => line.trim()).filter(Boolean);
      else if (takes === "bound" || takes === "days") row.value = asNumber(values[0]);
      else if (takes !== "nothing") row.value = values[0];
      return row;
    }

    /** The server's message beside the condition that it names. */
    showError() {
      const message = this.textarea.dataset.error;
      const item = this.list.children[(message?.match(/^Condition (\d+)/)?.[1] ?? 0) - 1];
      if (!item || this.rows.hidden) return;
      const error = h("p", { class: "rule-error", id: `rule-error-${++lastId}` }, message);
      item.append(error);
      item.classList.add("rule-wrong");
      const wrong = wrongField(item, message);
      wrong.setAttribute("aria-describedby", error.id);
      wrong.setAttribute("aria-invalid", "true");
    }
  }

  /** The field of a condition that the server's message is about. */
  function wrongField(item, message) {
    const where = message.match(/, where (\d+)/);
    const scope = (where && item.querySelectorAll(".rule-wheres > li")[where[1] - 1]) || item;
    const name = message.includes("“at least”") ? "at_least"
      : message.includes("within days") ? "within_days"
      : message.includes("choose a comparison") ? "is"
      : message.includes("enter the name") ? null : "value";
    return (name && scope.querySelector(`[data-name=${name}]`)) || scope.querySelector("input");
  }

  /** Offer the properties that came with the event of the condition, as it is now. */
  function offerProperties(name, id) {
    name.addEventListener("focus", () => {
      const event = name.closest("[data-kind=event]").querySelector("[data-name=event]").value.trim();
      const known = JSON.parse(document.getElementById("known-properties")?.textContent || "{}")[event] || [];
      const list = name.parentElement.querySelector("datalist") || h("datalist", { id });
      list.replaceChildren(...known.map(([value, about]) => h("option", { value }, about)));
      name.parentElement.append(list);
    });
  }

  function asNumber(text) {
    return NUMBER.test(text) ? Number(text) : text;
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const textarea of document.querySelectorAll("textarea[data-rule-builder]")) new Builder(textarea);
  });
})();
