// Engagement Creation: what was typed and not saved is not lost by a wrong press.
export function warnBeforeLeaving(form) {
  let isDirty = Boolean(form.querySelector(".lb-field--error"));
  form.addEventListener("input", (event) => {
    if (event.target.name !== "preview_person") isDirty = true;
  });
  form.addEventListener("submit", () => { isDirty = false; });
  window.addEventListener("beforeunload", (event) => {
    if (isDirty) event.preventDefault();
  });
}
