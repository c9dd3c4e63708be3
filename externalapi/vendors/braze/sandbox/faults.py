"""A script of things that go wrong: rules that requests use up in order.

Pure: a rule says what shall happen, `wire` does it. For each request the first rule
counts that matches it and has any of its `times` left; `pass` lets requests through,
so that a fault can start in the middle of a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum

import orjson

from externalapi.vendors.braze.facts import contract


class Stage(StrEnum):
    """When a fault strikes: that decides whether the request has changed anything."""

    NONE = "none"
    HEADERS = "headers"  # before the body is read
    BEFORE = "before"  # the body is read, nothing is stored
    AFTER = "after"  # judged and stored, and then the answer fails


STAGES: Mapping[str, Stage] = {
    "pass": Stage.NONE,
    "reset_on_headers": Stage.HEADERS,
    "reset_mid_body": Stage.HEADERS,
    "reset_before": Stage.BEFORE,
    "close_before": Stage.BEFORE,
    "status": Stage.BEFORE,
    "redirect": Stage.BEFORE,
    "hang": Stage.BEFORE,
    "delay_before": Stage.BEFORE,
    "delay_after": Stage.AFTER,
    "reset_after": Stage.AFTER,
    "close_after": Stage.AFTER,
    "cut_body": Stage.AFTER,
    "answer": Stage.AFTER,
    "partial_errors": Stage.AFTER,
    "error_without_index": Stage.AFTER,
    "unknown_input_array": Stage.AFTER,
    "queued": Stage.AFTER,
    "missing_message": Stage.AFTER,
    "malformed_json": Stage.AFTER,
    "empty_body": Stage.AFTER,
    "html_200": Stage.AFTER,
    "slow_headers": Stage.AFTER,
    "slow_body": Stage.AFTER,
    "giant": Stage.AFTER,
}


class BadRuleError(ValueError):
    """The fault rule cannot be read."""


@dataclass(slots=True, kw_only=True)
class Rule:
    """One rule. `times` counts down; None lasts until the script is cleared."""

    kind: str
    times: int | None = 1
    path: str = ""  # the only path it is for, as it was sent
    match: str = ""  # a text that must occur in the request's body
    external_id: str = ""  # a person that must occur in it
    seconds: float = 1.0  # delay_before, delay_after; slow_*: between two bytes
    status: int = 500  # status, answer
    body: str | None = None  # of the same
    headers: dict[str, str] = field(default_factory=dict)
    indexes: list[int] | None = field(default_factory=lambda: [0])  # None: all
    input_array: str = ""  # partial_errors; empty: the first array of the request
    type: str = contract.IDENTIFIER_REQUIRED.sentence
    location: str = "http://169.254.169.254/latest/meta-data/"
    size: int = 256 * 1024 * 1024
    gzip: bool = False  # giant: as a compressed answer that unpacks to `size`
    taken: int = 0

    @property
    def stage(self) -> Stage:
        return STAGES[self.kind]

    def is_for(self, path: str) -> bool:
        return self.times != 0 and self.path in ("", path)

    def matches(self, path: str, body: bytes) -> bool:
        if not self.is_for(path) or self.match.encode() not in body:
            return False
        return not self.external_id or orjson.dumps(self.external_id) in body

    def take(self) -> None:
        self.taken += 1
        if self.times is not None:
            self.times -= 1


class FaultScript:
    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def __bool__(self) -> bool:
        return bool(self._rules)

    def extend(self, rules: Sequence[Rule]) -> None:
        self._rules += rules

    def clear(self) -> None:
        self._rules.clear()

    def as_json(self) -> list[dict[str, object]]:
        return [asdict(rule) for rule in self._rules]

    def take_on_headers(self, path: str) -> Rule | None:
        """The next rule if it strikes before the body: it cannot look into it."""
        rule = next((rule for rule in self._rules if rule.is_for(path)), None)
        if rule is None or rule.stage is not Stage.HEADERS:
            return None
        rule.take()
        return rule

    def take(self, path: str, body: bytes) -> Rule | None:
        """The rule for this request; one of its times is then used up."""
        for rule in self._rules:
            if rule.stage is not Stage.HEADERS and rule.matches(path, body):
                rule.take()
                return None if rule.stage is Stage.NONE else rule
        return None


def rules_from_json(data: object) -> list[Rule]:
    """The rules of a JSON list (or of one object); BadRuleError says what is wrong."""
    entries = data if isinstance(data, list) else [data]
    return [_rule_from_json(entry) for entry in entries]


def _rule_from_json(entry: object) -> Rule:
    if not isinstance(entry, dict):
        raise BadRuleError("A fault rule must be an object.")
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in STAGES:
        raise BadRuleError(f"Unknown kind {kind!r}; known: {', '.join(STAGES)}.")
    unknown = entry.keys() - _SETTABLE
    if unknown:
        raise BadRuleError(f"Unknown fields: {', '.join(sorted(unknown))}.")
    for name, value in entry.items():
        if not isinstance(value, _SETTABLE[name]):
            raise BadRuleError(f"{name!r} has a value of the wrong type.")
    return Rule(**entry)


_TYPES: Mapping[str, tuple[type, ...]] = {
    "times": (int, type(None)),
    "seconds": (int, float),
    "status": (int,),
    "body": (str, type(None)),
    "headers": (dict,),
    "indexes": (list, type(None)),
    "size": (int,),
    "gzip": (bool,),
}
_SETTABLE: Mapping[str, tuple[type, ...]] = {
    one.name: _TYPES.get(one.name, (str,))
    for one in fields(Rule)
    if one.name != "taken"
}

# Kinds that end without an answer: the request log says so with a null status.
UNANSWERED = frozenset(
    {
        "reset_on_headers",
        "reset_mid_body",
        "reset_before",
        "close_before",
        "hang",
        "reset_after",
        "close_after",
    }
)

# --- Answers that Braze gives rarely, or that only something broken gives ---------------


def changes_answer(rule: Rule) -> bool:
    return rule.kind in _CHANGES


def changed_answer(
    rule: Rule, status: int, answer: dict[str, object]
) -> tuple[int, dict[str, object]]:
    """The status and answer of a stored request, as the rule wants them."""
    return _CHANGES[rule.kind](rule, status, answer)


def _with_error_without_index(
    rule: Rule, status: int, answer: dict[str, object]
) -> tuple[int, dict[str, object]]:
    return status, {**answer, "errors": [{"type": rule.type}]}


def _with_unknown_array(
    rule: Rule, status: int, answer: dict[str, object]
) -> tuple[int, dict[str, object]]:
    error = {"type": rule.type, "input_array": "user_identifiers", "index": 0}
    return status, {**answer, "errors": [error]}


def _queued(
    rule: Rule, status: int, answer: dict[str, object]
) -> tuple[int, dict[str, object]]:
    return 202, {"message": contract.QUEUED_MESSAGE}


def _without_message(
    rule: Rule, status: int, answer: dict[str, object]
) -> tuple[int, dict[str, object]]:
    return status, {key: one for key, one in answer.items() if key != "message"}


def _html(
    rule: Rule, status: int, answer: dict[str, object]
) -> tuple[int, dict[str, object]]:
    return 200, answer


_CHANGES = {
    "error_without_index": _with_error_without_index,
    "unknown_input_array": _with_unknown_array,
    "queued": _queued,
    "missing_message": _without_message,
    "html_200": _html,
}
