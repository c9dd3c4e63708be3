// Engagement Creation: the preview for a real person, drawn again while somebody types.
import { post } from "./post.js";

const PAUSE = 400;

export function followPreview(form) {
  const panel = document.getElementById("preview");
  const person = document.getElementById("preview-person");
  let timer = 0;
  let newest = 0;

  async function refresh() {
    const mine = ++newest;
    try {
      const html = await post(form.dataset.preview, new FormData(form));
      // A slow answer must not cover a newer one.
      if (mine === newest) panel.innerHTML = html;
    } catch {
      panel.textContent = "The preview cannot be made right now. Press Preview to try again.";
    }
  }

  form.addEventListener("input", (event) => {
    const matters = "value" in event.target.dataset || ["preview_person", "name"].includes(event.target.name);
    if (!matters) return;
    clearTimeout(timer);
    timer = setTimeout(refresh, PAUSE);
  });
  form.addEventListener("click", (event) => {
    if (!event.target.closest("[data-preview-button]")) return;
    event.preventDefault();
    refresh();
  });
  person.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    refresh();
  });
}
