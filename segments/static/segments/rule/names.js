// What the page brought for the rule's form: the names that came so far, as the dictionary
// has them, the comparisons, and what conditions can name.
const element = document.getElementById("rule-data");

export const data = element ? JSON.parse(element.textContent) : {};

const option = ({ name, label, about, description }) => ({ value: name, type: label, about, description });
const find = (names, name) => (names || []).find((one) => one.name === name);
const known = (kind, event) => (kind === "property" ? data.properties?.[event] : data[`${kind}s`]) || [];

/** What a picker of such names offers: `kind` is attribute, event or property (of `event`). */
export const offered = (kind, event) => known(kind, event).map(option);

/** The key of the type that a name's values mostly had: "" where it is not known. */
export const typeOf = (kind, name, event) => find(known(kind, event), name)?.type ?? "";

/** What is said below a name: what is known of it, or that it never came. */
export function saidOf(kind, name, event) {
  const names = known(kind, event);
  const one = find(names, name);
  if (one) return { text: [one.label, one.about, one.description].filter(Boolean).join(" · ") };
  // Of very many names not all are here; the size's answer has the whole dictionary asked.
  if (!names.length && kind !== "property") return { text: `No ${kind} came so far: type the name as it will be sent.` };
  if (!name || !names.length || names.length >= data.most) return null;
  const close = names.find((each) => each.name.toLowerCase() === name.toLowerCase());
  const but = close ? `, but “${close.name}” did` : "";
  return {
    isWarning: true,
    text: kind === "property"
      ? `“${name}” came with no such event so far${but}.`
      : `No ${kind} “${name}” came so far${but}.`,
  };
}

const asked = new Map();

/** Some values of a name, and the fields of its objects: {values, fields}; asked for once. */
export function examplesOf(kind, name, event = "") {
  if (!name || !data.examples) return Promise.resolve({ values: [], fields: [] });
  const url = `${data.examples}?${new URLSearchParams({ kind, name, event })}`;
  if (!asked.has(url)) asked.set(url, ask(url));
  return asked.get(url);
}

async function ask(url) {
  try {
    const response = await fetch(url, { redirect: "error" });
    if (response.ok) return await response.json();
  } catch { /* the server is away: everything can be typed all the same */ }
  asked.delete(url);
  return { values: [], fields: [] };
}
