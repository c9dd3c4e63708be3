// The page of a source reads how it is doing again while something is about to come: the
// first event, a test event, or how far what is sent in again is. Without this a reload
// does the same.
const EVERY = 1500;
const LONGEST = 20000;
const part = document.getElementById("source-now");
const announce = document.querySelector("[data-announce]");

const told = () => part.firstElementChild.dataset;
const words = (selector) => part.querySelector(selector)?.textContent.trim().replace(/\s+/g, " ") || "";

/* The new text in place of the old one, under the reader's hands; read aloud what is new. */
function replace(html) {
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...part.querySelectorAll("details[open]")].map((details) => details.id);
  const { state } = told();
  const [trial, replays] = [words("[data-trial]"), words("[data-replays]")];
  part.innerHTML = html;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  const news = [];
  if (told().state !== state) news.push(words("#source-state"));
  if (words("[data-trial]") !== trial) news.push(words("[data-trial]"));
  if (!words("[data-replaying]") && words("[data-replays]") !== replays) news.push(words("[data-replays]"));
  if (news.length) announce.textContent = news.join(" ");
}

async function refresh() {
  const response = await fetch(part.dataset.now, {
    credentials: "same-origin",
    redirect: "error",
    signal: AbortSignal.timeout(LONGEST),
  });
  if (response.ok) replace(await response.text());
}

/* Not for a hidden tab; nothing more once it is shown. */
async function round() {
  if (document.hidden) {
    document.addEventListener("visibilitychange", round, { once: true });
    return;
  }
  try {
    await refresh();
  } catch {
    // The server is away for a moment: what is shown stays, and it asks again.
  }
  if (told().turns) setTimeout(round, EVERY);
}

if (told().turns) setTimeout(round, EVERY);
