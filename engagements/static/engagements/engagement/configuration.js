// Engagement Creation: another External API or segment brings other parts of the page.
import { post } from "./post.js";
import { offerChoices } from "./value_choice.js";

/* Another External API or segment: the server draws the page with everything that
 was typed, and the parts that depend on the choice are taken from it. */
export function followChoices(form) {
  form.addEventListener("change", async (event) => {
    if (!["version", "segment"].includes(event.target.name)) return;
    const data = new FormData(form);
    data.append("_configure", event.target.name);
    try {
      const page = new DOMParser().parseFromString(await post(location.href, data), "text/html");
      for (const id of ["configure-parameters", "variants", "ambiguous-policy", "preview", "variables-groups"]) {
        const fresh = page.getElementById(id);
        if (fresh) document.getElementById(id).replaceChildren(...fresh.childNodes);
      }
      offerChoices(form);
    } catch {
      const button = document.createElement("button");
      Object.assign(button, {type: "submit", name: "_configure", value: event.target.name, hidden: true});
      form.append(button);
      form.requestSubmit(button);
    }
  });
}
