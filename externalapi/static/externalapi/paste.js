// The page Paste: a document's requests are searched.
// A document's requests, fewer with each word that is typed.
function searchOperations() {
  const row = document.querySelector("[data-search]");
  if (!row) return;
  const input = row.querySelector("input");
  const count = row.querySelector("[role=status]");
  const all = [...document.querySelectorAll("[data-operation]")];
  const texts = all.map((one) => one.textContent.toLowerCase());
  const groups = [...document.querySelectorAll("[data-group]")];
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    all.forEach((one, index) => {
      const group = one.closest("[data-group]").getAttribute("aria-label") || "";
      const text = `${texts[index]} ${group.toLowerCase()}`;
      one.hidden = !words.every((word) => text.includes(word));
      found += !one.hidden;
    });
    for (const group of groups) {
      group.hidden = !group.querySelector("[data-operation]:not([hidden])");
    }
    count.textContent = words.length ? `${found} of ${all.length}` : "";
  };
  row.hidden = false;
  input.addEventListener("input", show);
  // Enter would press the first button of the form.
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  show();
}

searchOperations();
// What was understood of a pasted command is what the press was for.
document.querySelector("[data-understood]")?.focus();
