// The form of a connection: its address, and the fields of each way to sign in.
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

  document.addEventListener("DOMContentLoaded", () => {
    watchInstance();
    watchSignIn();
  });
})();
