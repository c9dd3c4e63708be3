// The form of a segment: conditions and groups instead of JSON. The textarea stays the
// field: every change is written into it, and what the form cannot show is kept as it is.
import { button, h, nextId } from "./rule/elements.js";
import { Groups } from "./rule/groups.js";
import { kindOf } from "./rule/kinds.js";
import { startingPoints } from "./rule/starting_points.js";
import { asRoot, asWhole, parse, write } from "./rule/tree.js";

const CHOOSE = "Choose the names that are marked.";
const CANNOT_SHOW = "This is no rule that conditions can show, or not JSON yet.";
const KEPT = 100;
// What is kept to be taken back, in characters: a pasted list may be long.
const KEPT_SIZE = 20_000_000;

class Builder {
  constructor(textarea) {
    this.textarea = textarea;
    this.before = [];
    this.after = [];
    this.groups = new Groups(() => this.write());
    this.status = h("p", { class: "rule-status", role: "status" });
    this.toggle = button("", () => this.switchView());
    this.undo = button("Undo", () => this.takeBack(this.before, this.after, "Taken back."), { hidden: "" });
    this.redo = button("Redo", () => this.takeBack(this.after, this.before, "Done again."), { hidden: "" });
    this.start = startingPoints((rule) => this.begin(rule));
    this.rows = h("div", { class: "rule-builder" }, this.start, this.groups.root);
    this.root = h("div", { class: "lb rule" }, this.rows,
      h("div", { class: "rule-foot" }, this.undo, this.redo, this.toggle, this.status,
        h("a", { class: "rule-size", href: "#live-size", "data-live-size": "", hidden: "" })));
    textarea.before(this.root);
    // Beside what it is about, where there are scripts.
    const size = document.getElementById("live-size");
    if (size) textarea.after(size);
    this.root.addEventListener("keydown", (event) => this.pressed(event));
    if (!this.show()) this.showJSON(CANNOT_SHOW);
    this.showError();
  }

  /** Show the textarea's rule as conditions; false where they cannot show it. */
  show() {
    let tree = null;
    try {
      tree = asRoot(parse(this.textarea.value || "{}"), kindOf);
    } catch { /* not JSON yet */ }
    if (tree === null) return false;
    this.groups.show(tree);
    this.offerStart();
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
      this.showJSON("");
      this.textarea.focus();
    } else if (!this.show()) {
      this.status.textContent = CANNOT_SHOW;
    }
  }

  /** Begin with a starting point, at the first name that is to be chosen. */
  begin(rule) {
    this.groups.show(asRoot(rule, kindOf));
    this.write();
    this.status.textContent = CHOOSE;
    (this.root.querySelector(".rule-wish:not(:empty)")?.parentElement.querySelector("input")
      ?? this.root.querySelector(".rule-rows input")).focus();
  }

  offerStart() {
    if (this.start) this.start.hidden = this.groups.tree.items.length > 0;
  }

  write() {
    const isChosen = !this.root.querySelector(".rule-wish:not(:empty)");
    if (isChosen && this.status.textContent === CHOOSE) this.status.textContent = "";
    if (!this.textarea.hidden) return;
    this.offerStart();
    const text = write(asWhole(this.groups.tree));
    if (text === this.textarea.value) return;
    // What is typed in one go is taken back in one go.
    const field = document.activeElement;
    const isTyping = field === this.typedIn && field.matches("input, textarea") && this.before.length;
    this.typedIn = field;
    if (!isTyping) this.before = keptOf([...this.before, this.textarea.value]);
    this.after = [];
    this.put(text);
  }

  pressed(event) {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    // In a text, the browser takes back what was typed.
    if (event.target.matches("input:not([type=checkbox]), textarea")) return;
    event.preventDefault();
    (event.shiftKey ? this.redo : this.undo).click();
  }

  takeBack(from, to, said) {
    if (!from.length) return;
    to.push(this.textarea.value);
    this.typedIn = null;
    this.put(from.pop());
    if (this.textarea.hidden && !this.show()) this.showJSON(CANNOT_SHOW);
    this.status.textContent = said;
    ([this.undo, this.redo].find((one) => !one.hidden) ?? this.toggle).focus();
  }

  put(text) {
    this.textarea.value = text;
    this.undo.hidden = !this.before.length;
    this.redo.hidden = !this.after.length;
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
    wrong?.setAttribute("aria-describedby", error.id);
    wrong?.setAttribute("aria-invalid", "true");
  }

  /** The condition that a message begins with: “Condition 2, not, condition 1, event …”. */
  named(message) {
    let item = null;
    let list = this.groups.root.querySelector(".rule-rows");
    for (const part of message.split(":")[0].split(", ")) {
      const number = part.match(/^condition (\d+)$/i)?.[1];
      if (number && list) item = list.children[number - 1] || item;
      else if (part !== "not" && part !== "Rule") break;
      list = item?.dataset.kind === "group" ? item.querySelector(".rule-rows") : number ? null : list;
    }
    return item;
  }
}

/** The newest texts, of no more size than may be kept. */
function keptOf(texts) {
  let size = 0;
  const kept = texts.slice(-KEPT).reverse().filter((text, index) => {
    size += text.length;
    return index === 0 || size <= KEPT_SIZE;
  });
  return kept.reverse();
}

const NAMED = [
  "at_least", "at_most", "exactly", "within_days", "within_hours", "before_days", "between_days", "until", "count",
  "salt", "share", "zone",
];

/** The field of a condition that the server's message is about. */
function wrongField(item, message) {
  const at = (pattern, selector, within) => {
    const number = message.match(pattern)?.[1];
    return (number && within.querySelectorAll(selector)[number - 1]) || within;
  };
  const step = at(/, sequence (\d+)/, ".rule-steps > li", item);
  const scope = at(/, where (\d+)/, ".rule-wheres > li", step);
  const field = (name) => scope.querySelector(`[data-name=${name}]`);
  const said = NAMED.filter((name) => message.includes(name.replace("_", " "))).map(field).find(Boolean);
  if (said) return said;
  const name = message.includes("choose a comparison") ? "is" : message.includes("enter the name") ? null : "value";
  return (name && field(name)) || scope.querySelector("input") || scope.querySelector("select");
}

for (const textarea of document.querySelectorAll("textarea[data-rule-builder]")) new Builder(textarea);
