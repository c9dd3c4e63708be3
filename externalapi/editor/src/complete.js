// Parameters offered after {{: those of the table and the body, then common ones.
import { autocompletion } from "@codemirror/autocomplete";

const NAMES_IN_BODY = /\{\{\s*([^{}\n]+?)\s*\}\}/g;

export function offerParameters(common) {
  return autocompletion({
    override: [(context) => offer(context, common)],
    icons: false,
    // Enter right after the last letter means the offer, never a new line in a name.
    interactionDelay: 0,
  });
}

function offer(context, common) {
  const typed = context.matchBefore(/\{\{[^{}\n]*/);
  if (!typed) return null;
  const known = new Set([...fromTable(), ...fromBody(context.state, typed.from)]);
  const options = [
    ...[...known].map((name) => option(name, " in use", 1)),
    ...common.filter((name) => !known.has(name)).map((name) => option(name, " new", 0)),
  ];
  return { from: typed.from + 2, options, validFor: /^[^{}\n]*$/ };
}

function option(name, detail, boost) {
  return { label: name, detail, boost, apply: (view, _, from, to) => insert(view, name, from, to) };
}

// What closes the braces already is taken along.
function insert(view, name, from, to) {
  const after = view.state.sliceDoc(to, to + 2);
  const end = after === "}}" ? to + 2 : after[0] === "}" ? to + 1 : to;
  const text = `${name}}}`;
  view.dispatch({ changes: { from, to: end, insert: text }, selection: { anchor: from + text.length } });
}

function fromTable() {
  return [...document.querySelectorAll('input[name^="parameters-"][name$="-name"]')].map((input) => input.value);
}

// The one that is being typed is no name yet.
function fromBody(state, typedFrom) {
  return [...state.doc.toString().matchAll(NAMES_IN_BODY)]
    .filter((found) => found.index !== typedFrom)
    .map((found) => found[1]);
}
