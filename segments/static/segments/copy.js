// The page that shows a write key once: <button data-copy="ID"> copies that field.
for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  const status = button.closest("section").querySelector("[data-copy-status]");
  field.addEventListener("focus", () => field.select());
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      status.textContent = "Copied.";
    } catch {
      // Without https the clipboard is closed: leave it selected.
      field.focus();
      status.textContent = "Selected. Press Ctrl+C or ⌘C to copy.";
    }
  });
}
