// The Test API page and its test cases: inputs filled from a real person.
function start(box) {
  const form = box.querySelector("form");
  const told = box.querySelector("[data-told]");
  const found = box.querySelector("[data-found]");
  const all = box.querySelector("[data-all]");
  box.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    find();
  });
  all.querySelector("[data-accept-all]").addEventListener("click", () => {
    const open = suggestions();
    open.forEach(accept);
    dismiss(`${open.length} value${open.length === 1 ? "" : "s"} filled in.`);
  });
  all.querySelector("[data-dismiss]").addEventListener("click", () => dismiss(""));

  async function find() {
    told.textContent = "Looking…";
    found.replaceChildren();
    dismiss(told.textContent);
    let people;
    try {
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
      if (!answer.ok) throw new Error(answer.status);
      people = (await answer.json()).people;
    } catch {
      told.textContent = "The people cannot be read just now. Try again in a moment.";
      return;
    }
    told.textContent = people.length
      ? `${people.length} found. Choose one, or what they did.`
      : "Nobody is found. Try the beginning of another identifier.";
    found.replaceChildren(...people.map(personLine));
  }

  function personLine(person) {
    const line = document.createElement("li");
    const name = person.detail ? `${person.name} (${person.detail})` : person.name;
    line.append(choice(name, person.values, name));
    for (const event of person.events) {
      line.append(choice(event.name, event.values, `${name} with ${event.name}`));
    }
    return line;
  }

  function choice(text, values, name) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "fill-choice";
    button.textContent = text;
    button.setAttribute("aria-label", name);
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      for (const one of found.querySelectorAll("[aria-pressed]")) one.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-pressed", "true");
      suggest(values);
    });
    return button;
  }

  function suggest(values) {
    dismiss("");
    for (const value of values) {
      const input = document.getElementById(value.input);
      if (!input) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "fill-suggestion";
      button.dataset.input = value.input;
      button.dataset.value = value.value;
      button.textContent = `Use “${value.value}” from ${value.source}`;
      button.addEventListener("click", () => {
        accept(button);
        input.focus();
        if (!suggestions().length) dismiss("All suggestions are used.");
      });
      input.after(button);
    }
    const count = suggestions().length;
    all.hidden = !count;
    told.textContent = count
      ? `${count} suggestion${count === 1 ? "" : "s"}, below the inputs. Nothing is changed until you use them.`
      : "Nothing of this person fits a parameter.";
  }

  function suggestions() {
    return [...document.querySelectorAll(".fill-suggestion")];
  }

  function accept(button) {
    const input = document.getElementById(button.dataset.input);
    input.value = button.dataset.value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
    button.remove();
  }

  function dismiss(text) {
    for (const button of suggestions()) button.remove();
    all.hidden = true;
    told.textContent = text;
  }
}

document.querySelectorAll("[data-fill-from-person]").forEach(start);
