// The page of test cases: they are run one after the other.
// Each case is a request of up to half a minute: one by one, and the page lives on.
function runRounds() {
  for (const form of document.querySelectorAll("form[data-round]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      runAll(form);
    });
  }
}

async function runAll(form) {
  const button = form.querySelector("button");
  const bar = form.querySelector("progress");
  const told = form.querySelector("[data-round-status]");
  const rows = [...document.querySelectorAll("[data-case]")];
  const round = crypto.randomUUID ? crypto.randomUUID() : form.elements.round.value;
  let passed = 0;
  button.disabled = true;
  bar.hidden = false;
  for (const [index, row] of rows.entries()) {
    bar.value = index;
    told.textContent = `Running ${index + 1} of ${rows.length}: ${row.dataset.name}…`;
    try {
      const result = await runOne(form, row.dataset.case, round);
      passed += result.passed ? 1 : 0;
      showCase(row, result);
    } catch (problem) {
      told.textContent = `Stopped after ${index} of ${rows.length}. ${problem.message}`;
      button.disabled = false;
      return;
    }
  }
  bar.value = rows.length;
  told.textContent = `${passed} of ${rows.length} passed.`;
  button.disabled = false;
  button.textContent = "Run all again";
}

async function runOne(form, id, round) {
  const data = new FormData(form);
  data.set("case", id);
  data.set("round", round);
  let answer;
  try {
    answer = await fetch(form.action, {
      method: "POST",
      body: data,
      headers: { Accept: "application/json" },
    });
  } catch {
    throw new Error("The server cannot be reached. Run them again in a moment.");
  }
  const isJson = (answer.headers.get("Content-Type") || "").startsWith("application/json");
  const result = isJson ? await answer.json() : {};
  if (!answer.ok || !isJson) {
    throw new Error(result.error || "The server could not run this case. Reload the page.");
  }
  return result;
}

function showCase(row, result) {
  const badge = row.querySelector("[data-result] .lb-badge");
  badge.className = `lb-badge lb-badge--${result.passed ? "success" : "danger"}`;
  badge.textContent = result.passed ? "Passed" : "Failed";
  row.querySelector("[data-problem]").textContent = result.problem;
  const link = document.createElement("a");
  link.href = result.url;
  link.textContent = "Just now";
  row.querySelector("[data-last]").replaceChildren(link, `, ${result.badge}`);
}

runRounds();
