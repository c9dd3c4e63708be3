// The form of an External API: batching, the kind of the body, and the parameters.
(() => {
  "use strict";

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

  document.addEventListener("DOMContentLoaded", () => {
    watchLevels();
    watchBodyKind();
  });
})();
