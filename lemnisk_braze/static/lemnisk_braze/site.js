"use strict";

// The theme draws its icons as words in a font of icons: a screen reader would read
// "chevron_right" aloud. They are decoration, wherever they come from.
(function () {
    const hide = (root) => {
        for (const icon of root.querySelectorAll(".material-symbols-outlined")) {
            icon.setAttribute("aria-hidden", "true");
        }
    };
    document.addEventListener("DOMContentLoaded", () => hide(document));
    document.addEventListener("htmx:afterSwap", (event) => hide(event.target));
})();
