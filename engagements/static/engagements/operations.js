// The page Operations reads itself again. Without this a reload does the same.
const EVERY = 5000;
const LONGEST = 20000;
const part = document.getElementById("operations");
const announce = document.querySelector("[data-announce]");
const stale = document.querySelector("[data-stale]");

const alarms = () => part.querySelector("[data-alarms]").dataset.alarms.trim();

/* The new text in place of the old one, under the reader's hands and eyes. */
function replace(html) {
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...part.querySelectorAll("details[open]")].map((details) => details.id);
  const scrolled = [...part.querySelectorAll(".lb-scroll")].map((box) => box.scrollTop);
  const before = alarms();
  part.innerHTML = html;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  part.querySelectorAll(".lb-scroll").forEach((box, n) => { box.scrollTop = scrolled[n] || 0; });
  if (focused) document.getElementById(focused)?.focus({preventScroll: true});
  // Read aloud only what has changed.
  if (alarms() !== before) announce.textContent = alarms();
}

async function refresh() {
  try {
    const response = await fetch(part.dataset.refresh, {
      credentials: "same-origin",
      redirect: "error",
      signal: AbortSignal.timeout(LONGEST),
    });
    if (!response.ok) throw new Error(`The server answered ${response.status}`);
    replace(await response.text());
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
}

/* Not for a hidden tab, not under somebody's selection. */
async function round() {
  const isReading = !document.getSelection().isCollapsed;
  if (!document.hidden && !isReading) await refresh();
  setTimeout(round, EVERY);
}
setTimeout(round, EVERY);
