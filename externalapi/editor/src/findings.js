// The list below the body: what was found, how bad, what to do, and whose rule it is.
const LABEL = { error: "Error", warning: "Warning", hint: "Hint" };
const LOOK = { error: "danger", warning: "warning", hint: "info" };

export function drawFindings(root, findings, goTo) {
  root.hidden = findings.length === 0;
  const list = root.querySelector("ul");
  list.replaceChildren(...findings.map((one) => row(one, goTo)));
}

function row(one, goTo) {
  const item = document.createElement("li");
  const badge = make("span", LABEL[one.severity], `lb-badge lb-badge--${LOOK[one.severity]}`);
  const text = document.createElement("div");
  text.append(make("p", one.message));
  const more = make("p", one.advice, "lb-hint");
  if (one.page) {
    const link = make("a", "Braze's page");
    Object.assign(link, { href: one.page, target: "_blank", rel: "noopener" });
    more.append(" ", link);
  }
  text.append(more);
  item.append(badge, where(one, goTo), text);
  return item;
}

function where(one, goTo) {
  if (one.field !== "body") return make("span", one.place, "lb-hint");
  const button = make("button", `Line ${one.line}`, "lb-link");
  button.type = "button";
  if (one.place) button.setAttribute("aria-label", `Line ${one.line}, ${one.place}`);
  button.addEventListener("click", () => goTo(one.from));
  return button;
}

function make(tag, text, className = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}
