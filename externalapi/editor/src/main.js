// The editor in the textarea's place. What is typed is at once the textarea's value.
import { closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, linter, lintKeymap } from "@codemirror/lint";
import { EditorState, StateEffect } from "@codemirror/state";
import {
  EditorView,
  drawSelection,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

import { check, diagnostics } from "./check.js";
import { offerParameters } from "./complete.js";
import { drawFindings } from "./findings.js";
import { body } from "./language.js";
import { drawTree } from "./tree.js";

// Something else of the form changed: check the body once more.
const again = StateEffect.define();

function mount(frame) {
  const area = frame.querySelector("textarea");
  const part = (name) => frame.querySelector(`[data-${name}]`);
  const verdict = part("verdict");
  let latest = null;
  let isFollowing = false;
  let markTree = () => {};

  const goTo = (at) => {
    view.dispatch({ selection: { anchor: Math.min(at, view.state.doc.length) }, scrollIntoView: true });
    view.focus();
  };

  const look = async () => {
    const text = view.state.doc.toString();
    let found;
    try {
      found = await check(area, frame.dataset.check);
    } catch {
      verdict.textContent = "The body cannot be checked right now. It is checked when you save.";
      return [];
    }
    // Somebody went on typing: the next answer counts.
    if (text !== view.state.doc.toString()) return [];
    latest = found;
    verdict.textContent = found.verdict;
    part("format").disabled = found.formatted === null;
    drawFindings(part("findings"), found.findings, goTo);
    if (found.nodes) {
      markTree = drawTree(part("tree"), found.nodes, goTo);
      markTree(view.state.selection.main.head);
    }
    return diagnostics(found, view.state.doc.length);
  };

  const view = new EditorView({
    state: EditorState.create({
      doc: area.value,
      extensions: [
        lineNumbers(),
        lintGutter(),
        history(),
        drawSelection(),
        indentUnit.of("  "),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        body,
        syntaxHighlighting(classHighlighter),
        offerParameters(JSON.parse(frame.dataset.common), frame.dataset.new),
        linter(look, {
          delay: 500,
          needsRefresh: (update) => update.transactions.some((one) => one.effects.some((effect) => effect.is(again))),
        }),
        // Tab is not bound: it leaves the editor, as it leaves every other field.
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap]),
        EditorView.lineWrapping,
        EditorView.editable.of(!area.readOnly && !area.disabled),
        EditorView.contentAttributes.of(labels(area)),
        EditorView.updateListener.of((update) => {
          const { from, to } = update.state.selection.main;
          if (update.docChanged) {
            area.value = update.state.doc.toString();
            // Whoever follows the form hears of it, as of any other field.
            if (!isFollowing) area.dispatchEvent(new Event("input", { bubbles: true }));
          }
          if (update.docChanged || update.selectionSet) area.setSelectionRange(from, to);
          if (update.docChanged || update.selectionSet) markTree(update.state.selection.main.head);
        }),
      ],
    }),
  });

  // Somebody else wrote into the textarea: the browser going back, or another script.
  const follow = () => {
    if (area.value === view.state.doc.toString()) return;
    const anchor = area.selectionEnd;
    isFollowing = true;
    view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: area.value }, selection: { anchor } });
    isFollowing = false;
  };
  for (const told of ["change", "input"]) area.addEventListener(told, follow);
  area.addEventListener("focus", () => view.focus());
  window.addEventListener("pageshow", follow);
  // The rest of the form counts too: the path, a parameter's type, the kind of body.
  area.form.addEventListener("change", () => view.dispatch({ effects: again.of(null) }));

  part("format").addEventListener("click", () => {
    if (!latest || latest.formatted === null) return;
    view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: latest.formatted } });
    view.focus();
  });

  part("place").append(view.dom);
  area.classList.add("lb-hidden");
  area.tabIndex = -1;
  area.setAttribute("aria-hidden", "true");
  document.querySelector(`label[for="${area.id}"]`)?.addEventListener("click", () => view.focus());
  frame.classList.add("body-editor--ready");
  goToError(view, Number(area.dataset.errorLine || 0));
}

function labels(area) {
  const label = document.querySelector(`label[for="${area.id}"]`);
  if (label && !label.id) label.id = `${area.id}_label`;
  const describedBy = area.getAttribute("aria-describedby");
  return {
    spellcheck: "false",
    "aria-multiline": "true",
    ...(label ? { "aria-labelledby": label.id } : { "aria-label": "JSON body" }),
    ...(describedBy ? { "aria-describedby": describedBy } : {}),
    ...(area.getAttribute("aria-invalid") ? { "aria-invalid": "true" } : {}),
  };
}

function goToError(view, line) {
  if (!line || line > view.state.doc.lines) return;
  view.dispatch({ selection: { anchor: view.state.doc.line(line).from }, scrollIntoView: true });
  view.focus();
  view.dom.scrollIntoView({ block: "center" });
}

function mountAll() {
  document.querySelectorAll("[data-body-editor]:not(.body-editor--ready)").forEach(mount);
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mountAll);
else mountAll();
// A part of the page was drawn anew, with an editor in it.
document.addEventListener("lb:drawn", mountAll);
