// Engagement Creation: what was typed and not saved is not lost by a wrong press.
export function warnBeforeLeaving(form) {
  let isDirty = Boolean(form.querySelector(".lb-field--error"));
  form.addEventListener("input", (event) => {
    if (!["preview_person", "preview_variant"].includes(event.target.name)) isDirty = true;
  });
  form.addEventListener("submit", () => { isDirty = false; });
  window.addEventListener("beforeunload", (event) => {
    if (isDirty) event.preventDefault();
  });
}
