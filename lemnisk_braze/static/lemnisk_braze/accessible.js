// Every page: icons that are not read aloud, and the focus at the first mistake, or at what
// the page says came of a press.

// The theme draws its icons as words in a font of icons: a screen reader would read
// "chevron_right" aloud. They are decoration, wherever they come from.
(() => {
  "use strict";

  const hide = (root) => {
    for (const icon of root.querySelectorAll(".material-symbols-outlined")) {
      icon.setAttribute("aria-hidden", "true");
    }
  };

  // Whoever saves what cannot be saved goes on where the first mistake is; where no
  // field has it, at the words on top.
  const goToMistake = () => {
    const fields = [...document.querySelectorAll("[aria-invalid=true]:not([aria-hidden])")];
    for (const field of fields) {
      const details = field.closest("details");
      if (details) details.open = true;
    }
    // An editor has put its own cursor into the line at fault.
    if (fields.includes(document.activeElement)) return;
    const seen = fields.find((field) => field.checkVisibility());
    const words = document.querySelector(".errornote, main [role=alert]");
    if (seen) {
      seen.focus();
    } else if (words && document.querySelector(".errornote, .errorlist")) {
      words.tabIndex = -1;
      words.focus();
    }
  };

  // Whoever has pressed a button hears what came of it, and goes on from there, not from
  // before the menu.
  const goToWords = () => {
    if (document.activeElement === document.body) document.querySelector("[data-said]")?.focus();
  };

  document.addEventListener("DOMContentLoaded", () => hide(document));
  document.addEventListener("htmx:afterSwap", (event) => hide(event.target));
  window.addEventListener("load", () => {
    goToMistake();
    goToWords();
  });
})();
