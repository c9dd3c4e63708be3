// The page of an import reads itself again while somebody works at it; at the end of a
// step the whole page comes anew. Without this a reload does the same.
const EVERY = 1500;
const LONGEST = 20000;
const part = document.getElementById("import-now");
const announce = document.querySelector("[data-announce]");

const stateIn = (root) => root.querySelector("[data-state]").dataset.state;
const began = stateIn(part);

async function refresh() {
  const response = await fetch(part.dataset.now, {
    credentials: "same-origin",
    redirect: "error",
    signal: AbortSignal.timeout(LONGEST),
  });
  if (!response.ok) return;
  const came = new DOMParser().parseFromString(await response.text(), "text/html");
  if (stateIn(came) !== began) {
    // Nothing of it is shown before: what is pressed in a page that goes is lost.
    announce.textContent = came.querySelector("h2").textContent;
    location.reload();
    return;
  }
  const pressed = part.contains(document.activeElement) ? document.activeElement.textContent : "";
  part.replaceChildren(...came.body.childNodes);
  if (pressed) [...part.querySelectorAll("button, a")].find((each) => each.textContent === pressed)?.focus();
}

async function round() {
  try {
    if (!document.hidden) await refresh();
  } catch {
    // The server is away for a moment: what is shown stays, and it asks again.
  }
  setTimeout(round, EVERY);
}

if (part.dataset.now) setTimeout(round, EVERY);
