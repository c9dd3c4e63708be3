// Pages with something to copy: <button data-copy="ID"> copies that field, or that text.
for (const button of document.querySelectorAll("[data-copy]")) {
  const place = document.getElementById(button.dataset.copy);
  const status = button.closest("section").querySelector("[data-copy-status]");
  const isField = "value" in place;
  const select = () => (isField ? place.select() : getSelection().selectAllChildren(place));
  if (isField) place.addEventListener("focus", select);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(isField ? place.value : place.textContent);
      status.textContent = "Copied.";
    } catch {
      // Without https the clipboard is closed: leave it selected.
      place.focus();
      select();
      status.textContent = "Selected. Press Ctrl+C or ⌘C to copy.";
    }
  });
}
