// Parameters offered after {{: those of the table and the body, then common ones.
import { autocompletion } from "@codemirror/autocomplete";

const NAMES_IN_BODY = /\{\{\s*([^{}\n]+?)\s*\}\}/g;

// `isNew`: what is said of a name that the body has not yet.
export function offerParameters(common, isNew) {
  return autocompletion({
    override: [(context) => offer(context, common, isNew)],
    icons: false,
    // Enter right after the last letter means the offer, never a new line in a name.
    interactionDelay: 0,
  });
}

function offer(context, common, isNew) {
  const typed = context.matchBefore(/\{\{[^{}\n]*/);
  if (!typed) return null;
  const known = new Set([...fromTable(), ...fromBody(context.state, typed.from)]);
  const options = [
    ...[...known].map((name) => option(name, " in use", 1)),
    ...common.filter((name) => !known.has(name)).map((name) => option(name, isNew, 0)),
  ];
  const begun = typed.text.match(/^\{\{\s*/)[0];
  return { from: typed.from + begun.length, options, validFor: /^[^{}\n]*$/ };
}

function option(name, detail, boost) {
  return { label: name, detail, boost, apply: (view, _, from, to) => insert(view, name, from, to) };
}

// What closes the braces already is taken along.
function insert(view, name, from, to) {
  const after = view.state.sliceDoc(to, to + 3).trimStart();
  const skipped = view.state.sliceDoc(to, to + 1) === " " && after.startsWith("}}") ? 1 : 0;
  const end = after.startsWith("}}") ? to + skipped + 2 : after[0] === "}" && !skipped ? to + 1 : to;
  // As it was begun: {{Name}} or {{ name }}.
  const space = view.state.sliceDoc(from - 1, from) === " " ? " " : "";
  const text = `${name}${space}}}`;
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
