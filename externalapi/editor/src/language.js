// Colours for JSON with placeholders. It validates nothing: that is the server's part.
import { StreamLanguage } from "@codemirror/language";
import { tags } from "@lezer/highlight";

// A placeholder, a variable of Liquid, or one of its tags.
const PLACEHOLDER = /^(?:\{\{(?:[^{}\n]|\$\{[^{}\n]*\})*\}\}|\{%[^{}\n]*%\})/;

export const body = StreamLanguage.define({
  name: "body",
  startState: () => ({ inText: false, kind: "string", depth: 0 }),
  token(stream, state) {
    if (stream.match(PLACEHOLDER)) return "placeholder";
    if (state.inText) return readText(stream, state);
    if (stream.eatSpace()) return null;
    if (stream.eat('"')) {
      state.inText = true;
      state.kind = isName(stream) ? "propertyName" : "string";
      return state.kind;
    }
    if (stream.eat(/[[{]/)) return opened(state, 1);
    if (stream.eat(/[\]}]/)) return opened(state, -1);
    if (stream.eat(/[:,]/)) return "punctuation";
    if (stream.match(/^(true|false|null)\b/)) return "atom";
    if (stream.match(/^-?\d+(\.\d+)?([eE][+-]?\d+)?/)) return "number";
    stream.next();
    return "invalid";
  },
  indent(state, textAfter, context) {
    const closes = /^\s*[\]}]/.test(textAfter) ? 1 : 0;
    return Math.max(0, state.depth - closes) * context.unit;
  },
  languageData: { closeBrackets: { brackets: ["[", "{", '"'] }, indentOnInput: /^\s*[\]}]$/ },
  tokenTable: { placeholder: tags.special(tags.variableName) },
});

function opened(state, by) {
  state.depth = Math.max(0, state.depth + by);
  return "bracket";
}

function readText(stream, state) {
  while (!stream.eol()) {
    if (stream.match(PLACEHOLDER, false)) return state.kind;
    const char = stream.next();
    if (char === "\\") stream.next();
    if (char === '"') {
      state.inText = false;
      return state.kind;
    }
  }
  // A text ends with its line, so that one lost quote does not colour all the rest.
  state.inText = false;
  return state.kind;
}

function isName(stream) {
  return /^(?:[^"\\]|\\.)*"\s*:/.test(stream.string.slice(stream.pos));
}
