// The form of a segment: conditions and groups instead of JSON. The textarea stays the
// field: every change is written into it, and what the form cannot show is edited there.
import { Conditions } from "./rule/conditions.js";
import { button, h, nextId } from "./rule/elements.js";
import { Groups } from "./rule/groups.js";
import { hintAt } from "./rule/names.js";
import { asGroup, asRule } from "./rule/tree.js";

const CANNOT_SHOW = "This is no rule that conditions can show, or not JSON yet.";
const KEPT = 50;

class Builder {
  constructor(textarea) {
    this.textarea = textarea;
    this.before = [];
    const operators = JSON.parse(textarea.dataset.operators);
    const conditions = new Conditions(operators, () => this.write());
    this.groups = new Groups(conditions, () => this.write());
    this.status = h("p", { class: "rule-status", role: "status" });
    this.toggle = button("", () => this.switchView());
    this.undo = button("Undo", () => this.takeBack(), { hidden: "" });
    this.rows = h("div", { class: "rule-builder" });
    this.root = h("div", { class: "lb rule" }, this.rows,
      h("div", { class: "rule-foot" }, this.undo, this.toggle, this.status));
    textarea.before(this.root);
    this.root.addEventListener("input", () => this.write());
    this.root.addEventListener("change", () => this.write());
    this.root.addEventListener("input", ({ target }) => {
      if (target.matches("[data-name=attribute], [data-name=event], [data-name=property]")) hintAt(target);
    });
    this.root.addEventListener("keydown", (event) => {
      const isUndo = (event.ctrlKey || event.metaKey) && event.key === "z" && !event.shiftKey;
      // In a text, the browser takes back what was typed.
      if (isUndo && !event.target.matches("input, textarea") && this.before.length) this.takeBack();
    });
    if (!this.show()) this.showJSON(CANNOT_SHOW);
    this.showError();
  }

  /** Show the textarea's rule as conditions; false where they cannot show it. */
  show() {
    let group = null;
    try {
      group = asGroup(JSON.parse(this.textarea.value || "{}"));
    } catch { /* not JSON yet */ }
    if (group === null) return false;
    this.items = this.groups.root(group);
    this.rows.replaceChildren(this.items);
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

  write() {
    if (!this.textarea.hidden) return;
    this.groups.number(this.items);
    const text = JSON.stringify(asRule(this.groups.read(this.items)), null, 2);
    if (text === this.textarea.value) return;
    this.before = [...this.before, this.textarea.value].slice(-KEPT);
    this.put(text);
  }

  takeBack() {
    const text = this.before.pop();
    this.put(text);
    if (this.textarea.hidden) this.show();
    this.status.textContent = "Taken back.";
    (this.undo.hidden ? this.toggle : this.undo).focus();
  }

  put(text) {
    this.textarea.value = text;
    this.undo.hidden = !this.before.length;
    this.textarea.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** The server's message beside the condition that it names. */
  showError() {
    const message = this.textarea.dataset.error;
    const item = message && !this.rows.hidden && this.named(message);
    if (!item) return;
    const error = h("p", { class: "rule-error", id: nextId("error") }, message);
    item.append(error);
    item.classList.add("rule-wrong");
    const wrong = wrongField(item, message);
    wrong.setAttribute("aria-describedby", error.id);
    wrong.setAttribute("aria-invalid", "true");
  }

  /** The condition that a message begins with: “Condition 2, not, condition 1, event …”. */
  named(message) {
    let item = null;
    let list = this.items.querySelector(".rule-rows");
    for (const part of message.split(":")[0].split(", ")) {
      const number = part.match(/^condition (\d+)$/i)?.[1];
      if (number && list) item = list.children[number - 1] || item;
      else if (part !== "not" && part !== "Rule") break;
      list = item?.dataset.kind === "group" ? item.querySelector(".rule-rows") : number ? null : list;
    }
    return item;
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
  return (name && scope.querySelector(`[data-name=${name}]`)) || scope.querySelector("input") || scope.querySelector("select");
}

for (const textarea of document.querySelectorAll("textarea[data-rule-builder]")) new Builder(textarea);
