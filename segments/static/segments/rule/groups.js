// The list of conditions and groups in the rule's form: added, moved, doubled, removed, by
// mouse and by keyboard. What is changed is the tree; the list is drawn again of it.
import { button, checkbox, h, icon, labelled, nextId, select } from "./elements.js";
import { KINDS, kindOf, more } from "./kinds.js";
import { asNode, asRule, parse, write } from "./tree.js";
import { disclosure } from "./values.js";

const GROUPS = [
  ["all", "all of these"],
  ["any", "at least one of these"],
  ["none", "none of these"],
  ["not_all", "not all of these"],
];
// With the condition in it, a rule's eight.
const DEPTH = 7;
const FIRST = "[data-name]:not([data-name=group], [data-name=did], [data-name=not])";

export class Groups {
  /** `changed()` is called after each change of the tree. */
  constructor(changed) {
    this.changed = changed;
    this.dragged = null;
    this.states = new WeakMap();
    this.elements = new Map();
    this.root = h("div", { class: "rule-items" });
  }

  show(tree) {
    this.tree = tree;
    this.elements.clear();
    this.root.replaceChildren(...this.inside(tree, 1, "People for whom"));
    this.number(this.root.querySelector(".rule-rows"), "");
  }

  /** Draw the changed tree; `focus()` gives what is to have the focus then. */
  redraw(focus) {
    this.show(this.tree);
    this.changed();
    focus?.()?.focus();
  }

  /** The first field of a node to type in. */
  firstOf(node) {
    const li = this.elements.get(node);
    return li?.querySelector(FIRST) || li?.querySelector("select, button");
  }

  inside(node, depth, label) {
    const list = h("ol", { class: "rule-rows" }, ...node.items.map((item) => this.item(item, node, depth)));
    const group = select("group", GROUPS, node.group, (key) => {
      node.group = key;
      list.dataset.group = key;
      this.changed();
    });
    list.dataset.group = node.group;
    const add = (text, blank) => button(text, () => this.add(node, blank()), { class: "lb-button lb-button--default rule-add-button" });
    const menu = more();
    return [
      labelled(label, group, "rule-group"),
      list,
      h("div", { class: "rule-add" },
        add("Add what they did", KINDS.event.blank),
        add("Add an attribute", KINDS.attribute.blank),
        depth < DEPTH && add("Add a group", () => ({ any: [KINDS.event.blank()] })),
        menu.length > 0 && this.menu(node, menu)),
    ];
  }

  /** The conditions that are used less: a button that opens a list of them. */
  menu(node, choices) {
    const part = h("div", { class: "rule-menu", id: nextId("menu"), hidden: "" },
      ...choices.map(({ title, about, blank }) =>
        h("button", { type: "button", class: "rule-menu-item", onclick: () => this.add(node, blank()) },
          h("strong", {}, title), h("span", {}, about))));
    const close = () => {
      part.hidden = true;
      toggle.setAttribute("aria-expanded", "false");
    };
    const toggle = button("Add something else …", () => {
      part.hidden = !part.hidden;
      toggle.setAttribute("aria-expanded", String(!part.hidden));
      if (part.hidden) return;
      part.scrollIntoView({ block: "nearest" });
      part.querySelector("button").focus();
    }, { "aria-expanded": "false", "aria-controls": part.id, class: "lb-button lb-button--default rule-add-button" });
    const around = h("div", { class: "rule-menu-around" }, toggle, part);
    around.addEventListener("keydown", (event) => {
      const buttons = [...part.querySelectorAll("button")];
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape" && !part.hidden) {
        close();
        toggle.focus();
      } else if (by && !part.hidden) {
        event.preventDefault();
        buttons[(buttons.indexOf(document.activeElement) + by + buttons.length) % buttons.length].focus();
      }
    });
    around.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && !around.contains(relatedTarget)) close();
    });
    return around;
  }

  item(node, parent, depth) {
    const fieldset = h("fieldset", {}, h("legend", {}));
    const li = h("li", { "data-kind": node.group ? "group" : node.kind }, fieldset);
    this.elements.set(node, li);
    const place = { node, parent };
    const act = (name, sign, does) => button(icon(sign), () => does.call(this, place), { "data-act": name, class: "rule-act" });
    const acts = h("div", { class: "rule-acts" },
      this.handle(place, li),
      act("Move up", "arrow_upward", (at) => this.move(at, -1)),
      act("Move down", "arrow_downward", (at) => this.move(at, 1)),
      act("Duplicate", "content_copy", this.duplicate),
      act("Remove", "close", this.remove));
    const draw = () => {
      fieldset.replaceChildren(fieldset.firstChild, ...this.fields(node, draw, depth).filter(Boolean), acts);
    };
    draw();
    return li;
  }

  fields(node, draw, depth) {
    if (node.group) return this.inside(node, depth + 1, "For whom");
    if (node.kind === "json") return jsonFields(node);
    const li = this.elements.get(node);
    const row = {
      node,
      rule: node.rule,
      changed: this.changed,
      stateOf: (object) => this.stateOf(object),
      redraw: (focus) => {
        draw();
        this.changed();
        focus?.(li)?.focus();
      },
      notField: () => this.notField(node, row),
      optionsAfter: (links, ...fields) => this.optionsAfter(node, links, fields, row),
    };
    const fields = KINDS[node.kind].fields(row);
    return isTurned(row) ? [h("p", { class: "rule-not" }, "Not:"), ...fields] : fields;
  }

  /** “Not” around a condition, where its fields do not say it. */
  notField(node, row) {
    return checkbox("not", "Turn it round: people for whom this is not so", isTurned(row), (isOn) => {
      node.not = isOn;
      row.redraw((li) => li.querySelector("[type=checkbox][data-name=not]"));
    });
  }

  /** Links in a line, the last of which opens the options; and the options. */
  optionsAfter(node, links, fields, row) {
    const state = this.stateOf(node.rule);
    state.options ||= isTurned(row);
    const options = h("div", { class: "rule-more" }, ...fields.filter(Boolean));
    if (!options.children.length) return [h("div", { class: "rule-links" }, ...links)];
    return [h("div", { class: "rule-links" }, ...links, disclosure("Options", options, state, "options")), options];
  }

  /** What the form remembers of a part of the rule, such as which options are open. */
  stateOf(object) {
    if (!this.states.has(object)) this.states.set(object, {});
    return this.states.get(object);
  }

  /** Say of each where it stands, such as 2.1 for the first in the second. */
  number(list, before) {
    [...list.children].forEach((li, index) => {
      const name = `condition ${before}${index + 1}`;
      const of = (selector) => li.querySelector(`:scope > fieldset > ${selector}`);
      of("legend").textContent = name.replace("c", "C");
      for (const each of of(".rule-acts").querySelectorAll("[data-act]")) {
        each.setAttribute("aria-label", `${each.dataset.act} ${name}`);
        each.title = each.dataset.act;
      }
      if (li.dataset.kind === "group") this.number(of(".rule-rows"), `${before}${index + 1}.`);
    });
  }

  add(group, rule) {
    const node = asNode(rule, kindOf);
    this.stateOf(node.rule ?? node).isNew = true;
    group.items.push(node);
    this.redraw(() => this.firstOf(node));
  }

  duplicate({ node, parent }) {
    const copy = asNode(parse(write(asRule(node))), kindOf);
    // Another share takes other people.
    if (copy.kind === "share") copy.rule.salt = KINDS.share.blank().salt;
    parent.items.splice(parent.items.indexOf(node) + 1, 0, copy);
    this.redraw(() => this.firstOf(copy));
  }

  remove({ node, parent }) {
    const index = parent.items.indexOf(node);
    const next = parent.items[index + 1] || parent.items[index - 1];
    parent.items.splice(index, 1);
    this.tidy(parent);
    this.redraw(() => (next && this.firstOf(next)) || this.root.querySelector("input, .rule-add-button"));
  }

  /** A group is not left empty behind. */
  tidy(group) {
    const parent = this.parentOf(group);
    if (group.items.length || !parent) return;
    parent.items.splice(parent.items.indexOf(group), 1);
    this.tidy(parent);
  }

  parentOf(node, within = this.tree) {
    if (!within.group) return null;
    if (within.items.includes(node)) return within;
    return within.items.map((item) => this.parentOf(node, item)).find(Boolean) ?? null;
  }

  /** Up or down by one place: into a group that comes next, or out of the own one. */
  move({ node, parent }, by) {
    const index = parent.items.indexOf(node);
    const beside = parent.items[index + by];
    const around = this.parentOf(parent);
    if (!beside && !around) return;
    parent.items.splice(index, 1);
    if (beside?.group && !node.group) beside.items.splice(by < 0 ? beside.items.length : 0, 0, node);
    else if (beside) parent.items.splice(index + by, 0, node);
    else around.items.splice(around.items.indexOf(parent) + (by < 0 ? 0 : 1), 0, node);
    this.tidy(parent);
    const act = by < 0 ? "Move up" : "Move down";
    this.redraw(() => this.elements.get(node).querySelector(`:scope > fieldset > .rule-acts [data-act="${act}"]`));
  }

  /** Drag by this; with the keyboard, the arrows beside it do the same. */
  handle(place, li) {
    const handle = h("span", { class: "rule-handle", draggable: "true", "aria-hidden": "true", title: "Drag" }, icon("drag_indicator"));
    handle.addEventListener("dragstart", (event) => {
      this.dragged = place;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", "");
      event.dataTransfer.setDragImage(li, 20, 20);
    });
    handle.addEventListener("dragend", () => { this.dragged = null; });
    li.addEventListener("dragover", (event) => {
      if (this.dragged && !this.isIn(place.node, this.dragged.node)) event.preventDefault();
    });
    li.addEventListener("drop", (event) => this.drop(event, place, li));
    return handle;
  }

  isIn(node, around) {
    return node === around || Boolean(around.items?.some((item) => this.isIn(node, item)));
  }

  drop(event, { node, parent }, li) {
    const moved = this.dragged;
    if (!moved || this.isIn(node, moved.node)) return;
    event.preventDefault();
    event.stopPropagation();
    const { top, height } = li.getBoundingClientRect();
    moved.parent.items.splice(moved.parent.items.indexOf(moved.node), 1);
    parent.items.splice(parent.items.indexOf(node) + (event.clientY < top + height / 2 ? 0 : 1), 0, moved.node);
    this.tidy(moved.parent);
    this.redraw();
  }
}

/** Whether the fields of a condition do not say its “not” themselves. */
const isTurned = (row) => row.node.not && !(KINDS[row.node.kind].saysNot?.(row) ?? false);

/** What the form has no fields for: shown, kept, moved and removed, but not changed. */
function jsonFields({ rule }) {
  const text = h("pre", { tabindex: "0", "aria-label": "This part as JSON" }, write(rule));
  return [h("div", { class: "rule-json-part" },
    h("p", {}, "This part was written as JSON, and is kept as it is. “Edit as JSON” changes it."), text)];
}
