"""What the editor shows beside a body while it is written, and what a save says of it.

Offsets count UTF-16 units, as browsers do.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from externalapi.definitions.compiled import parameters_found
from externalapi.template import bodies
from externalapi.template.batching import BatchPlan
from externalapi.template.parameters import Parameter
from externalapi.template.parser import BodyError
from externalapi.template.spans import Path, Span, formatted, path_text, spans
from externalapi.vendors.braze.facts.contract import (
    DEFAULT_OBJECT_LIMIT,
    OBJECT_LIMITS,
    ObjectLimit,
)
from externalapi.vendors.braze.lint.findings import Finding, Severity
from externalapi.vendors.braze.lint.lint import lint, lint_request
from lemnisk_braze.lib.json_types import JSON

MAX_NODES = 1000
_ORDER = list(Severity)
_TEXT_SHOWN = 60
# An example of a parameter, and of what stands in its place in an engagement.
_LIKE: Mapping[str, str] = {
    "{{App ID}}": "{{ event.properties.app_id }}",
    "{{Event Time}}": "{{ event.time }}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What stands in the form; `parameters` are those that are known already.

    Where somebody else has read the text, `tree` is what they read, `likeness` a body
    that is as long as the text and stands for it, `more` what they found besides, and
    `word` what they call a parameter.
    """

    kind: str
    text: str
    method: str = "POST"
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Sequence[Parameter] = ()
    identifier: str = ""
    is_braze: bool = True
    limit: ObjectLimit = OBJECT_LIMITS[DEFAULT_OBJECT_LIMIT]
    tree: JSON = None
    likeness: str = ""
    more: Sequence[Finding] = ()
    word: str = "parameter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A finding and where it stands in the text: a line from 1, and offsets."""

    finding: Finding
    line: int
    start: int
    end: int

    def to_dict(self) -> dict[str, JSON]:
        one = self.finding
        return {
            "severity": one.severity.value,
            "message": one.message,
            "advice": one.advice,
            "page": one.page,
            "field": one.field,
            "place": path_text(one.path) if one.field == "body" else one.field,
            "line": self.line,
            "from": self.start,
            "to": self.end,
        }

    def __str__(self) -> str:
        where = f"Line {self.line}: " if self.finding.field == "body" else ""
        return f"{where}{self.finding.message} {self.finding.advice}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is to be said; `formatted` is None where the body cannot be laid out."""

    verdict: str
    findings: tuple[Found, ...] = ()
    formatted: str | None = None
    nodes: tuple[Mapping[str, JSON], ...] = ()

    def of(self, *severities: Severity) -> list[Found]:
        return [one for one in self.findings if one.finding.severity in severities]

    def to_dict(self) -> dict[str, JSON]:
        return {
            "verdict": self.verdict,
            "findings": [one.to_dict() for one in self.findings],
            "formatted": self.formatted,
            "nodes": [dict(node) for node in self.nodes],
        }


def check(typed: Typed) -> Check:
    """Return what the reader and the linter say about a body as typed."""
    if typed.tree is not None:
        return _checked(typed, typed.tree, typed.parameters)
    try:
        tree = bodies.parse(typed.kind, typed.text)
    except BodyError as e:
        return unreadable(typed.text, e)
    parameters = parameters_found(
        typed.path,
        typed.headers,
        typed.text,
        typed.parameters,
        body_kind=typed.kind,
        identifier=typed.identifier,
    )
    return _checked(typed, tree, parameters)


def unreadable(text: str, error: BodyError) -> Check:
    """Return what is said of a body that cannot be read."""
    return Check(verdict=str(error), findings=(_unreadable(text, error),))


def limit_of(plan: BatchPlan) -> ObjectLimit:
    """One person's body may hold what a request may; where nobody says, Braze's."""
    if plan.combined is None and plan.each is None:
        return OBJECT_LIMITS[DEFAULT_OBJECT_LIMIT]
    return ObjectLimit(combined=plan.combined, per_array=plan.each)


def _checked(typed: Typed, tree: JSON, parameters: Sequence[Parameter]) -> Check:
    alike = typed.likeness or typed.text
    where = spans(alike) if typed.kind == "json" and tree is not None else {}
    text = _Text(typed.text)
    found = sorted(
        [*typed.more, *(_called(typed, f) for f in _findings(typed, tree, parameters))],
        key=lambda one: _ORDER.index(one.severity),
    )
    findings = tuple(_located(one, where, text) for one in found)
    return Check(
        verdict=_verdict(typed, tree, parameters, findings),
        findings=findings,
        formatted=formatted(alike, typed.text) if where else None,
        nodes=tuple(_nodes(where, text)),
    )


def _findings(
    typed: Typed, tree: JSON, parameters: Sequence[Parameter]
) -> list[Finding]:
    if not typed.is_braze:
        return []
    found = []
    if typed.tree is None:
        # Where it goes is not asked of who only writes the body.
        found = lint_request(typed.method, typed.path, typed.headers)
    if typed.kind != "json" or tree is None:
        return found
    return [
        *found,
        *lint(
            tree,
            parameters,
            path=typed.path,
            method=typed.method,
            limit=typed.limit,
        ),
    ]


def _called(typed: Typed, finding: Finding) -> Finding:
    """A finding with the word that the author knows a parameter by."""
    if typed.word == "parameter":
        return finding
    message = finding.message.replace("parameter", typed.word)
    advice = finding.advice.replace("parameter", typed.word)
    for name, like in _LIKE.items():
        advice = advice.replace(name, like)
    return replace(finding, message=message, advice=advice)


def _verdict(
    typed: Typed,
    tree: JSON,
    parameters: Sequence[Parameter],
    findings: Sequence[Found],
) -> str:
    if tree is None:
        return "There is no body."
    said = "Valid JSON" if typed.kind == "json" else "The body can be sent"
    said += f", {_counted(len(parameters), typed.word)}."
    counts = Counter(one.finding.severity for one in findings)
    parts = [_counted(counts[one], one.value) for one in Severity if counts[one]]
    return f"{said} {', '.join(parts)}." if parts else said


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


# Where things stand


class _Text:
    """Offsets of Python's characters in the browser's units, and their lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        # Only characters beyond the first plane take two units.
        self._is_plain = max(text, default="") <= "\uffff"

    def offset(self, at: int) -> int:
        return at if self._is_plain else len(self.text[:at].encode("utf-16-le")) // 2

    def line(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1


def _unreadable(typed: str, error: BodyError) -> Found:
    text = _Text(typed)
    lines = typed.split("\n")
    line = min(error.line, len(lines))
    start = sum(len(one) + 1 for one in lines[: line - 1]) + error.column - 1
    start = min(start, len(typed))
    end = max(start, start - error.column + 1 + len(lines[line - 1]))
    finding = Finding(
        severity=Severity.ERROR, message=error.message, advice="", page=""
    )
    return Found(
        finding=finding, line=line, start=text.offset(start), end=text.offset(end)
    )


def _located(finding: Finding, where: Mapping[Path, Span], text: _Text) -> Found:
    """What is missing is shown at what it is missing in."""
    path = finding.path
    while path not in where and path:
        path = path[:-1]
    span = where.get(path) or Span(start=0, end=0, key=0, is_leaf=True)
    # Of a whole object the first brace is enough.
    end = span.end if span.is_leaf else span.start + 1
    return Found(
        finding=finding,
        line=text.line(span.key),
        start=text.offset(span.key),
        end=text.offset(end),
    )


# The tree


def _nodes(where: Mapping[Path, Span], text: _Text) -> Iterator[dict[str, JSON]]:
    sizes = Counter(path[:-1] for path in where if path)
    for path, span in list(where.items())[: MAX_NODES + 1]:
        if not path:
            continue
        kind, shown = _shown(text.text[span.start : span.end], sizes[path])
        yield {
            "label": f"[{path[-1]}]" if isinstance(path[-1], int) else path[-1],
            "depth": len(path) - 1,
            "kind": kind,
            "text": shown,
            "key": text.offset(span.key),
            "from": text.offset(span.start),
            "to": text.offset(span.end),
        }


def _shown(written: str, size: int) -> tuple[str, str]:
    """Return the kind of a value and how it reads in the tree."""
    bare = written.strip('"') if written.startswith('"') else written
    if written.startswith("{{") or (bare.startswith("{{") and bare.endswith("}}")):
        return "placeholder", bare.strip("{} ")
    if written.startswith("{"):
        return "object", f"{{{size}}}"
    if written.startswith("["):
        return "list", f"[{size}]"
    kind = "text" if written.startswith('"') else "constant"
    return kind, written if len(written) <= _TEXT_SHOWN else f"{written[:_TEXT_SHOWN]}…"
