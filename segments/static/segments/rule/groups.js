// The list of conditions and groups in the rule's form: added, moved, doubled, removed, by
// mouse and by keyboard.
import { button, h, labelled, select } from "./elements.js";

const GROUPS = [
  ["all", "all of these"],
  ["any", "at least one of these"],
  ["none", "none of these"],
  ["not_all", "not all of these"],
];
const DEPTH = 6;

export class Groups {
  /** `conditions` has the fields of one; `changed` is called after each change. */
  constructor(conditions, changed) {
    this.conditions = conditions;
    this.changed = changed;
    this.dragged = null;
  }

  /** The form of a whole rule, as a group of tree.js. */
  root({ group, items }) {
    const rows = items.length ? items : [{ event: "", at_least: 1 }];
    const root = h("div", { class: "rule-items" }, ...this.inside({ group, items: rows }, 1, "People for whom"));
    this.number(root);
    return root;
  }

  inside({ group, items }, depth, label) {
    const list = h("ol", { class: "rule-rows", "data-depth": depth },
      ...items.map((item) => this.item(item, depth)));
    const add = (text, item) => button(text, () => this.add(list, item()));
    return [
      labelled(label, select("group", GROUPS, group), "rule-group"),
      list,
      h("div", { class: "rule-add" },
        add("Add what they did", () => ({ event: "", at_least: 1 })),
        add("Add an attribute", () => ({ attribute: "", is: "equals", value: "" })),
        depth < DEPTH ? add("Add a group", () => ({ group: "any", items: [{ event: "", at_least: 1 }] })) : null),
    ];
  }

  item(item, depth) {
    const kind = item.group ? "group" : "event" in item ? "event" : "attribute";
    const fields = item.group ? this.inside(item, depth + 1, "For whom") : this.conditions.fields(item);
    const li = h("li", { "data-kind": kind }, h("fieldset", {}, h("legend", {}), ...fields));
    const act = (name, text, does) => button(text, () => does(li), { "data-act": name });
    li.firstChild.append(h("div", { class: "rule-acts" },
      this.handle(li),
      act("Move up", "↑", () => this.move(li, -1)),
      act("Move down", "↓", () => this.move(li, 1)),
      act("Duplicate", "Duplicate", () => this.duplicate(li)),
      act("Remove", "Remove", () => this.remove(li))));
    return li;
  }

  /** What is typed: of a list's element, the group around it. */
  read(place) {
    const own = place.dataset.kind === "group" ? place.firstChild : place;
    const list = own.querySelector(":scope > .rule-rows");
    const group = own.querySelector(":scope > .rule-group select").value;
    return { group, items: [...list.children].map((li) => this.readItem(li)) };
  }

  readItem(li) {
    return li.dataset.kind === "group" ? this.read(li) : this.conditions.read(li);
  }

  /** Say of each where it stands, such as 2.1 for the first in the second. */
  number(root) {
    const list = root.querySelector(".rule-rows");
    this.numberList(list, "");
  }

  numberList(list, before) {
    [...list.children].forEach((li, index) => {
      const name = `condition ${before}${index + 1}`;
      const of = (selector) => li.querySelector(`:scope > fieldset > ${selector}`);
      of("legend").textContent = name.replace("c", "C");
      for (const each of of(".rule-acts").querySelectorAll("[data-act]")) {
        each.setAttribute("aria-label", `${each.dataset.act} ${name}`);
        each.title = each.dataset.act;
      }
      if (li.dataset.kind === "group") this.numberList(of(".rule-rows"), `${before}${index + 1}.`);
    });
  }

  add(list, item) {
    const li = this.item(item, Number(list.dataset.depth));
    list.append(li);
    this.changed();
    li.querySelector("input").focus();
  }

  duplicate(li) {
    const copy = this.item(this.readItem(li), Number(li.parentElement.dataset.depth));
    li.after(copy);
    this.changed();
    copy.querySelector("input").focus();
  }

  remove(li) {
    const around = li.parentElement.closest("li");
    const next = li.nextElementSibling || li.previousElementSibling || around;
    const top = li.closest(".rule-items");
    // A group is not left empty behind.
    (li.parentElement.children.length === 1 && around ? around : li).remove();
    this.changed();
    ((next?.isConnected && next.querySelector("input")) || top.querySelector("input, select")).focus();
  }

  /** Up or down by one place: into a group that comes next, or out of the own one. */
  move(li, by) {
    const beside = by < 0 ? li.previousElementSibling : li.nextElementSibling;
    const around = li.parentElement.closest("li");
    const into = beside?.dataset.kind === "group" && beside.querySelector(".rule-rows");
    if (into && li.dataset.kind !== "group") into[by < 0 ? "append" : "prepend"](li);
    else if (beside) beside[by < 0 ? "before" : "after"](li);
    else if (around) {
      around[by < 0 ? "before" : "after"](li);
      if (!around.querySelector(".rule-rows").children.length) around.remove();
    } else return;
    this.changed();
    li.querySelector(`[data-act="${by < 0 ? "Move up" : "Move down"}"]`).focus();
  }

  /** Drag by this; with the keyboard, the arrows beside it do the same. */
  handle(li) {
    const handle = h("span", { class: "rule-handle", draggable: "true", "aria-hidden": "true", title: "Drag" }, "⠿");
    handle.addEventListener("dragstart", (event) => {
      this.dragged = li;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", "");
      event.dataTransfer.setDragImage(li, 20, 20);
    });
    handle.addEventListener("dragend", () => { this.dragged = null; });
    li.addEventListener("dragover", (event) => {
      if (this.dragged && !this.dragged.contains(li)) event.preventDefault();
    });
    li.addEventListener("drop", (event) => this.drop(event, li));
    return handle;
  }

  drop(event, li) {
    const moved = this.dragged;
    if (!moved || moved.contains(li)) return;
    event.preventDefault();
    event.stopPropagation();
    const { top, height } = li.getBoundingClientRect();
    const left = moved.parentElement.closest("li");
    li[event.clientY < top + height / 2 ? "before" : "after"](moved);
    if (left && !left.querySelector(".rule-rows").children.length) left.remove();
    this.changed();
  }
}
