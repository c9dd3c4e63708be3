// Engagement Creation: the picker of personalization variables.
import { typed } from "./value_choice.js";

/* The picker: arrow keys move, Enter inserts, Escape closes. */
export function wirePicker(form) {
  const dialog = document.getElementById("variables");
  const search = document.getElementById("variables-search");
  let target = null;

  function choices() {
    return [...dialog.querySelectorAll("[data-insert]")].filter((button) => !button.parentElement.hidden);
  }

  function filter() {
    const wanted = search.value.trim().toLowerCase();
    for (const button of dialog.querySelectorAll("[data-insert]")) {
      button.parentElement.hidden = !button.textContent.toLowerCase().includes(wanted);
    }
    for (const group of dialog.querySelectorAll("[data-group]")) {
      group.hidden = !group.querySelector("li:not([hidden])");
    }
    dialog.querySelector("[data-none]").hidden = choices().length > 0;
  }

  function insert(text) {
    dialog.close();
    target = typed(target);
    const [from, to] = [target.selectionStart, target.selectionEnd];
    target.setRangeText(text, from ?? target.value.length, to ?? target.value.length, "end");
    target.focus();
    target.dispatchEvent(new Event("input", {bubbles: true}));
  }

  function move(step) {
    const all = choices();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement);
    if (at + step < 0) search.focus();
    else all[Math.min(at + step, all.length - 1)].focus();
  }

  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-pick]");
    if (!button) return;
    target = document.getElementById(button.dataset.pick);
    search.value = "";
    filter();
    dialog.showModal();
    search.focus();
  });
  search.addEventListener("input", filter);
  dialog.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-insert]");
    if (choice) insert(choice.dataset.insert);
    else if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Enter" && event.target === search && choices().length) insert(choices()[0].dataset.insert);
    else return;
    event.preventDefault();
  });
}
