// A field with a list of what it may be: names of the dictionary with what helps to pick
// them, segments, time zones. The pattern is the combobox of the ARIA practices.
import { h, nextId } from "./elements.js";

// So many at once; typing finds the others.
const SHOWN = 60;
// As high as the bars at the window's ends, in pixels.
const BAR = 80;

/**
 * `options()` gives [{value, text, type, about, description}], perhaps later (a promise).
 * `picked(value)` is called with each value; with `isStrict`, only with one of the options.
 */
export class Picker {
  constructor(name, { value = "", options, picked, isStrict = false, ...attributes }) {
    Object.assign(this, { options, picked, isStrict, shown: [], active: -1, last: "" });
    this.list = h("ul", { role: "listbox", id: nextId("options"), class: "rule-options", "aria-label": "Choices", hidden: "" });
    this.input = h("input", {
      "data-name": name, role: "combobox", autocomplete: "off", "aria-autocomplete": "list",
      "aria-expanded": "false", "aria-controls": this.list.id, ...attributes,
    });
    this.root = h("div", { class: "rule-picker" }, this.input, this.list);
    this.set(value);
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("click", () => this.open());
    this.input.addEventListener("keydown", (event) => this.pressed(event));
    this.input.addEventListener("blur", () => this.left());
  }

  set(value) {
    this.last = value;
    this.isTyped = false;
    this.input.value = this.isStrict ? textOf(this.options(), value) : value;
  }

  typed() {
    this.isTyped = true;
    if (!this.isStrict) this.picked(this.input.value.trim());
    this.open(this.input.value);
  }

  /** All of them, or those that have every word of `typed`. */
  open(typed = "") {
    this.opening = this.show(typed);
    return this.opening;
  }

  async show(typed) {
    const asked = nextId("asked");
    this.asked = asked;
    const options = await this.options();
    if (this.asked !== asked || document.activeElement !== this.input) return;
    this.shown = matching(options, typed).slice(0, SHOWN);
    const more = matching(options, typed).length - this.shown.length;
    this.list.replaceChildren(...this.shown.map((option, index) => this.option(option, index)));
    if (more > 0) this.list.append(h("li", { class: "rule-options-more", role: "presentation" }, `${more} more: type to find them`));
    this.list.hidden = !this.shown.length;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this.place();
    this.activate(-1);
  }

  /** Above the field where there is no room below it, over the bar of the form's buttons. */
  place() {
    this.list.classList.remove("rule-options--up");
    const { height, bottom } = this.list.getBoundingClientRect();
    const { top } = this.input.getBoundingClientRect();
    this.list.classList.toggle("rule-options--up", bottom > window.innerHeight - BAR && top > height + BAR);
  }

  option({ value, text, type, about, description }, index) {
    const li = h("li", { role: "option", id: `${this.list.id}-${index}`, "aria-selected": String(value === this.last) },
      h("span", { class: "rule-option-name" }, text ?? value),
      type && h("span", { class: "rule-option-type" }, type),
      about && h("span", { class: "rule-option-about" }, about),
      description && h("span", { class: "rule-option-about" }, description));
    // The field keeps the focus.
    li.addEventListener("mousedown", (event) => event.preventDefault());
    li.addEventListener("click", () => this.pick(this.shown[index]));
    return li;
  }

  pick({ value, text }) {
    this.last = value;
    this.isTyped = false;
    this.input.value = text ?? value;
    this.close();
    this.picked(value, true);
  }

  close() {
    this.asked = null;
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.activate(-1);
  }

  left() {
    this.close();
    if (!this.isStrict) return;
    const meant = this.meant();
    if (meant) this.pick(meant);
    else this.set(this.last);
  }

  /** What was typed instead of chosen, where it can be but one of the options. */
  meant() {
    const typed = this.isTyped ? this.input.value.trim().toLowerCase() : "";
    if (!this.isStrict || !typed) return null;
    const found = matching(this.options(), typed);
    return found.length === 1 ? found[0] : found.find(({ text }) => text.toLowerCase() === typed);
  }

  activate(index) {
    this.active = index;
    [...this.list.children].forEach((li, n) => { li.classList.toggle("rule-option-active", n === index); });
    const li = this.list.children[index];
    if (index < 0 || !li) this.input.removeAttribute("aria-activedescendant");
    else {
      this.input.setAttribute("aria-activedescendant", li.id);
      li.scrollIntoView({ block: "nearest" });
    }
  }

  async pressed(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    // Enter chooses; it does not save the segment half written.
    if (by || event.key === "Enter") event.preventDefault();
    if (by && this.list.hidden && !this.asked) this.open(this.isTyped ? this.input.value : "");
    // Who types fast is ahead of the choices that are still fetched.
    if (by || event.key === "Enter") await this.opening;
    if (by) {
      const count = this.shown.length;
      if (count && !this.list.hidden) this.activate(this.active < 0 && by < 0 ? count - 1 : (this.active + by + count) % count);
    } else if (event.key === "Enter") {
      const chosen = this.list.hidden || this.active < 0 ? this.meant() : this.shown[this.active];
      if (chosen) this.pick(chosen);
      else this.close();
    } else if (event.key === "Escape" && !this.list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    }
  }
}

const textOf = (options, value) => options.find((one) => String(one.value) === String(value))?.text ?? value ?? "";

function matching(options, typed) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const found = options.filter((one) => {
    const text = `${one.text ?? one.value} ${one.description ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const isFirst = (one) => (String(one.text ?? one.value).toLowerCase().startsWith(words[0] ?? "") ? 0 : 1);
  return words.length ? found.sort((a, b) => isFirst(a) - isFirst(b)) : found;
}
