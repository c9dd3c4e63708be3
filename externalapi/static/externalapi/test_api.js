// The Test API page: values that stand in several places, one press, and copying.
// A parameter that stands in several places is typed once and shown everywhere.
function mirrorValues() {
  for (const mirror of document.querySelectorAll("[data-mirror]")) {
    const input = document.getElementById(mirror.dataset.mirror);
    if (!input) continue;
    const show = () => {
      mirror.textContent = input.value || mirror.dataset.name;
      mirror.classList.toggle("tree-mirror--empty", !input.value);
    };
    input.addEventListener("input", show);
    show();
  }
}

// One press is one request.
function showBusy() {
  for (const button of document.querySelectorAll("[data-busy]")) {
    const words = button.textContent;
    button.form.addEventListener("submit", (event) => {
      if (event.submitter !== button) return;
      // Only when the form is on its way: a disabled button would not be a part of it.
      setTimeout(() => {
        button.disabled = true;
        button.textContent = button.dataset.busy;
      });
    });
    window.addEventListener("pageshow", () => {
      button.disabled = false;
      button.textContent = words;
    });
  }
  for (const form of document.querySelectorAll("form:has([data-busy])")) {
    let isSent = false;
    form.addEventListener("submit", (event) => {
      if (isSent) event.preventDefault();
      isSent = true;
    });
    window.addEventListener("pageshow", () => {
      isSent = false;
    });
  }
}

function copyTexts() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    const told = button.parentElement.querySelector("[data-copied]");
    button.hidden = false;
    button.addEventListener("click", async () => {
      told.textContent = (await copied(source)) ? "Copied." : "It is selected: copy it with the keyboard.";
    });
  }
}

async function copied(source) {
  getSelection().selectAllChildren(source);
  try {
    // Only where the page came over https, or from this machine.
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    return document.execCommand("copy");
  }
}

// A dry run is the same page again: what it shows is what was asked for.
function showResult() {
  const result = document.querySelector("[data-focus]");
  if (!result || location.hash) return;
  result.focus({ preventScroll: true });
  result.scrollIntoView({ block: "nearest" });
}

mirrorValues();
showBusy();
copyTexts();
showResult();
