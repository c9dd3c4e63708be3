// Engagement Creation: the next times of the schedule, drawn again while somebody types.
import { post } from "./post.js";

const PAUSE = 300;

export function followSchedule(form) {
  const panel = document.getElementById("next-times");
  if (!panel) return;
  const part = form.querySelector(".engagement-trigger");
  let timer = 0;
  let newest = 0;

  async function refresh() {
    const mine = ++newest;
    try {
      const html = await post(form.dataset.times, new FormData(form));
      // A slow answer must not cover a newer one.
      if (mine === newest) panel.innerHTML = html;
    } catch {
      panel.textContent = "The next times cannot be told right now. Save to see them.";
    }
  }

  part.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, PAUSE);
  });
}
