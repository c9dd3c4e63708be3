// Small comforts of the External API's pages. Everything works without them.
(() => {
  "use strict";

  // The address field matters only where no instance is chosen.
  function watchInstance() {
    const choice = document.getElementById("id_instance_choice");
    const address = document.getElementById("id_base_url");
    if (!choice || !address) return;
    const show = () => {
      address.readOnly = choice.value !== "";
      if (choice.value) address.value = choice.value;
    };
    choice.addEventListener("change", () => {
      if (!choice.value) address.value = "";
      show();
    });
    show();
  }

  // Each way to sign in has fields of its own; what another asks for is put away.
  function watchSignIn() {
    const choice = document.getElementById("id_auth");
    if (!choice) return;
    const fields = [...document.querySelectorAll("[data-sign-in]")];
    const show = () => {
      for (const field of fields) {
        const row = field.closest(".form-row, .field-line") || field.parentElement;
        row.hidden = !field.dataset.signIn.split(" ").includes(choice.value);
      }
    };
    choice.addEventListener("change", show);
    show();
  }

  // A named choice fills its fields at once; whoever types in one has their own.
  function watchNames() {
    for (const choice of document.querySelectorAll("select[data-fills]")) {
      const sets = JSON.parse(choice.dataset.fills);
      const names = Object.keys(Object.values(sets)[0]);
      const fields = new Map(names.map((name) => [name, document.getElementById(`id_${name}`)]));
      choice.addEventListener("change", () => {
        for (const [name, value] of Object.entries(sets[choice.value] || {})) fields.get(name).value = value;
      });
      for (const field of fields.values()) {
        field.addEventListener("input", () => {
          choice.value = "own";
        });
      }
    }
  }

  // The kind of the body and its standard header go together; another header stays.
  function watchBodyKind() {
    const kind = document.getElementById("id_body_kind");
    const headers = document.getElementById("id_headers");
    if (!kind || !headers) return;
    const types = {
      json: "application/json",
      form: "application/x-www-form-urlencoded",
      text: "text/plain; charset=utf-8",
    };
    const line = (type) => `Content-Type: ${type}`;
    kind.addEventListener("change", () => {
      const lines = headers.value.split("\n");
      const at = lines.findIndex((one) => Object.values(types).map(line).includes(one.trim()));
      if (at < 0) return;
      const type = types[kind.value];
      lines.splice(at, 1, ...(type ? [line(type)] : []));
      headers.value = lines.join("\n");
    });
  }

  // A fixed parameter has a value, any other a default.
  function watchLevels() {
    for (const row of document.querySelectorAll("[data-parameter]")) {
      const level = row.querySelector("[data-level]");
      const show = () => {
        const isFixed = level.value === "fixed";
        row.querySelector("[data-default]").hidden = isFixed;
        row.querySelector("[data-fixed]").hidden = !isFixed;
      };
      level.addEventListener("change", show);
      show();
      const type = row.querySelector("[data-type]");
      const treatment = row.querySelector("[data-text-only]");
      if (!treatment) continue;
      const showTreatment = () => {
        treatment.hidden = type.value !== "text";
        if (treatment.hidden) treatment.querySelector("select").value = "none";
      };
      type.addEventListener("change", showTreatment);
      showTreatment();
    }
  }

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

  document.addEventListener("DOMContentLoaded", () => {
    watchInstance();
    watchSignIn();
    watchNames();
    watchLevels();
    watchBodyKind();
    mirrorValues();
    showBusy();
    searchOperations();
    // What was understood of a pasted command is what the press was for.
    document.querySelector("[data-understood]")?.focus();
  });
})();
