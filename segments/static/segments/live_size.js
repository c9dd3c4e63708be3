// The form of a segment: how many people its rule takes in, while it is being written.
const WAIT = 400;
const LONGEST = 5000;
const part = document.getElementById("live-size");
const field = document.querySelector("[name=rule]");
const token = document.querySelector("[name=csrfmiddlewaretoken]");
let asking = null;
let timer = 0;
let asked = null;

function person({ name, url }) {
  const link = document.createElement("a");
  link.href = url;
  link.textContent = name;
  const item = document.createElement("li");
  item.append(link);
  return item;
}

function show({ problem = "", sentence = "", warning = "", size = "", change = "", people = null }) {
  const text = (name, value) => {
    const element = part.querySelector(`[data-${name}]`);
    element.textContent = value;
    element.hidden = !value;
  };
  text("size", size);
  // Once more where the rule is written, always in sight.
  for (const short of document.querySelectorAll("[data-live-size]")) {
    short.textContent = size || (problem && "Not whole yet");
    short.hidden = !short.textContent;
  }
  text("sentence", sentence);
  text("change", change);
  text("warning", warning);
  // What saving refused is said beside its row already.
  text("problem", problem && (problem === field.dataset.error ? "Not whole yet." : `Not whole yet: ${problem}`));
  part.querySelector("[data-people]").replaceChildren(...(people || []).map(person));
  part.querySelector("[data-some]").hidden = !people?.length;
}

async function ask() {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  const body = new URLSearchParams({
    csrfmiddlewaretoken: token.value,
    rule: field.value,
    segment: part.dataset.segment,
  });
  part.setAttribute("aria-busy", "true");
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(LONGEST)]);
    const response = await fetch(part.dataset.url, { method: "POST", body, redirect: "error", signal: limit });
    if (!response.ok) throw new Error(response.statusText);
    show(await response.json());
  } catch {
    // A newer rule is asked about, or the server is away; saving counts in any case.
    if (!signal.aborted) show({ size: "The size cannot be had at the moment." });
  }
  if (!signal.aborted) part.removeAttribute("aria-busy");
}

function changed() {
  if (field.value === asked) return;
  asked = field.value;
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT);
}

if (part && field) {
  for (const kind of ["input", "change"]) field.addEventListener(kind, changed);
  changed();
}
