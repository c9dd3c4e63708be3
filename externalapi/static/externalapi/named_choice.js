// The forms of a connection (rate plan) and of an External API (batching, answers).
(() => {
  "use strict";

  // A named choice fills its fields at once; whoever types in one has their own.
  function watchNames() {
    for (const choice of document.querySelectorAll("select[data-fills]")) {
      const sets = JSON.parse(choice.dataset.fills);
      const names = Object.keys(Object.values(sets)[0]);
      const fields = new Map(names.map((name) => [name, document.getElementById(`id_${name}`)]));
      choice.addEventListener("change", () => {
        for (const [name, value] of Object.entries(sets[choice.value] || {})) fields.get(name).value = value;
      });
      for (const field of fields.values()) {
        field.addEventListener("input", () => {
          choice.value = "own";
        });
      }
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    watchNames();
  });
})();
