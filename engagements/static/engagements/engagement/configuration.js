// Engagement Creation: another External API or segment, or one variant more or less, brings
// other parts of the page.
import { post } from "./post.js";
import { offerChoices } from "./value_choice.js";

const PARTS = [
  "configure-parameters", "variants", "variant-choice", "ambiguous-policy", "preview", "variables-groups",
];

/* The editor of a payload, whose script comes with the first of them. */
function drawPayload(page) {
  const part = document.getElementById("payload-part");
  part.replaceChildren(...page.getElementById("payload-part").childNodes);
  if (!part.querySelector("[data-body-editor]")) return;
  const src = part.dataset.editor;
  if (document.querySelector(`script[src="${src}"]`)) document.dispatchEvent(new Event("lb:drawn"));
  else document.head.append(Object.assign(document.createElement("script"), {src}));
}

/* Put the parts of the other page in place of these, with what was typed since its data were
 `sent`, and with the focus where it was. */
function draw(page, form, sent) {
  const typed = [...new FormData(form)].filter(([name, value]) => !sent.getAll(name).includes(value));
  const {id, selectionStart: start, selectionEnd: end} = document.activeElement;
  for (const part of PARTS) {
    const fresh = page.getElementById(part);
    if (fresh) document.getElementById(part).replaceChildren(...fresh.childNodes);
  }
  for (const [name, value] of typed) {
    const field = form.elements.namedItem(name);
    // Lists of which several are chosen are in none of the parts.
    if (field && field.type !== "select-multiple") field.value = value;
  }
  offerChoices(form);
  const focused = document.getElementById(id);
  if (!focused || focused === document.activeElement) return;
  focused.focus({preventScroll: true});
  if (typeof start === "number") focused.setSelectionRange?.(start, end);
}

/* The server draws the page with everything that was typed, and the parts that depend on
 the choice are taken from it. */
export function followChoices(form) {
  let newest = 0;

  async function redraw(wish) {
    const mine = ++newest;
    const data = new FormData(form);
    data.append("_configure", wish);
    try {
      const page = new DOMParser().parseFromString(await post(location.href, data), "text/html");
      // A slow answer must not cover a newer one.
      if (mine !== newest) return;
      draw(page, form, data);
      // What is written for the one segment is as good for the other.
      if (wish === "version") drawPayload(page);
    } catch {
      const button = document.createElement("button");
      Object.assign(button, {type: "submit", name: "_configure", value: wish, hidden: true});
      form.append(button);
      form.requestSubmit(button);
    }
  }

  form.addEventListener("change", (event) => {
    if (["version", "segment"].includes(event.target.name)) redraw(event.target.name);
  });
  form.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-variant]");
    if (!button) return;
    event.preventDefault();
    await redraw(button.value);
    // The one that came, or what stands where the other was.
    const [added] = [...document.querySelectorAll(`[data-of-variant="${button.dataset.variant}"] input`)];
    (added ?? document.querySelector("#variants [data-variant]"))?.focus();
    form.dispatchEvent(new Event("input", {bubbles: true}));
  });
}
