// Lists: the panel of filters keeps the focus while it is open, and what is typed in it.
(() => {
  "use strict";

  const STOPS = "a[href], button, input:not([type=hidden]), select";

  // Behind the panel nothing can be seen: who leaves it at one end comes in at the other.
  const stay = (panel, event) => {
    if (event.key !== "Tab") return;
    const stops = [...panel.querySelectorAll(STOPS)].filter((stop) => stop.checkVisibility());
    const [end, other] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
    if (document.activeElement !== end) return;
    event.preventDefault();
    other.focus();
  };

  // A choice is a link, which would leave behind what stands beside it and is not applied.
  const takeAlong = (panel, link) => {
    const address = new URL(link.href);
    for (const input of panel.querySelectorAll("form [name]:not([type=hidden])")) {
      if (input.value) address.searchParams.set(input.name, input.value);
      else address.searchParams.delete(input.name);
    }
    link.href = address;
  };

  document.addEventListener("DOMContentLoaded", () => {
    const panel = document.getElementById("changelist-filter");
    panel?.addEventListener("keydown", (event) => stay(panel, event));
    panel?.addEventListener("click", (event) => {
      const link = event.target.closest("a[href]");
      if (link && !link.closest("#changelist-filter-extra-actions")) takeAlong(panel, link);
    });
  });
})();
