// Every page: Ctrl+K, or the button in the menu: find people and things.
(() => {
  "use strict";

  const WAIT = 200;

  const start = () => {
    const dialog = document.getElementById("site-search");
    if (!dialog) return;
    const input = dialog.querySelector("input");
    const place = dialog.querySelector("[data-found]");
    const links = () => [...place.querySelectorAll("a")];
    let timer = 0;
    let asked = null;

    const open = () => {
      if (!dialog.open) dialog.showModal();
      input.select();
    };
    const ask = async () => {
      asked?.abort();
      asked = new AbortController();
      const address = `${dialog.dataset.url}?s=${encodeURIComponent(input.value)}`;
      try {
        const answer = await fetch(address, { signal: asked.signal });
        place.innerHTML = answer.ok ? await answer.text() : "";
      } catch (error) {
        if (error.name !== "AbortError") place.textContent = "The server is not there. Try again.";
      }
    };
    // Enter opens the first line, perhaps before the pause after the last key is over.
    const first = async () => {
      clearTimeout(timer);
      await ask();
      links()[0]?.click();
    };
    const step = (by) => {
      const all = links();
      const at = all.indexOf(document.activeElement) + by;
      if (at < 0) input.focus();
      else all[Math.min(at, all.length - 1)]?.focus();
    };

    document.addEventListener("keydown", (event) => {
      if (event.key === "k" && (event.metaKey || event.ctrlKey)) {
        event.preventDefault();
        open();
      } else if (dialog.open && event.key === "ArrowDown") {
        event.preventDefault();
        step(1);
      } else if (dialog.open && event.key === "ArrowUp") {
        event.preventDefault();
        step(-1);
      }
    });
    for (const button of document.querySelectorAll("[data-open-search]")) button.addEventListener("click", open);
    dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      first();
    });
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, WAIT);
    });
  };

  document.addEventListener("DOMContentLoaded", start);
})();
