// The page of an Engagement: its report follows a run that is open.
const EVERY = 4000;

export function followReport(report) {
  const stateIn = (root) => root.querySelector("[data-state]").dataset.state;
  const began = stateIn(report);

  function show(html) {
    const came = new DOMParser().parseFromString(html, "text/html");
    // Stopped, ended or paused by somebody else: the whole page is another.
    if (stateIn(came) !== began) location.reload();
    else report.replaceChildren(...came.body.childNodes);
  }

  async function refresh() {
    const isOpen = report.querySelector("[data-open='1']");
    // Not under somebody's hands, and not for a hidden tab.
    if (isOpen && !document.hidden && !report.contains(document.activeElement)) {
      try {
        const response = await fetch(report.dataset.refresh, {credentials: "same-origin"});
        if (response.ok && !response.redirected) show(await response.text());
      } catch {
        // The next round tries again.
      }
    }
    if (isOpen) setTimeout(refresh, EVERY);
  }
  setTimeout(refresh, EVERY);
}
