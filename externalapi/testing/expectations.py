"""Whether an answer is what a test case expects. Pure but for the case's fields."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from externalapi.models import TestCase
from externalapi.template.parameters import as_text
from lemnisk_braze.lib.json_types import JSON

_INDEX = re.compile(r"\[([0-9]{1,6})\]")
_PATH = re.compile(r"[^.\s\[\]][^.\[\]]*(?:\.[^.\s\[\]][^.\[\]]*)*")
# What the other side says of the request, as opposed to of itself or of the moment.
_REFUSED = frozenset({"refused", "too_big", "blocked"})
_TAKEN = frozenset({"sent", "accepted_unverified"})
MAX_SHOWN = 100


def problem_of(case: TestCase, response: Mapping[str, Any], body: bytes | None) -> str:
    """Return what is not as the case expects, in words; empty where all of it is.

    `response` is what a ConfigurationTest keeps of it; a body of None is no answer.
    """
    if body is None:
        return f"No answer came. {response.get('explanation', '')}".strip()
    problems = (_outcome(case, response), _status(case, response), _value(case, body))
    return " ".join(filter(None, problems))


def read_path(path: str) -> tuple[str, ...]:
    """Read `errors.0.type`, `errors[0].type` or `$.errors[0].type` as its three parts.

    Raises ValueError with a sentence.
    """
    plain = _INDEX.sub(r".\1", path.strip().removeprefix("$").removeprefix("."))
    if not _PATH.fullmatch(plain.removeprefix(".")):
        raise ValueError("Write names with dots between them, as in errors.0.type.")
    return tuple(plain.removeprefix(".").split("."))


def find(tree: JSON, path: tuple[str, ...]) -> JSON:
    """Return what stands at the path; raises LookupError where it leads nowhere."""
    for part in path:
        if isinstance(tree, dict):
            tree = tree[part]
        elif isinstance(tree, list) and part.isdecimal():
            tree = tree[int(part)]
        else:
            raise LookupError(part)
    return tree


def _outcome(case: TestCase, response: Mapping[str, Any]) -> str:
    outcome = response.get("outcome")
    has_errors = bool(response.get("has_errors"))
    is_accepted = outcome == "sent" and not has_errors
    is_refused = outcome in _REFUSED or (outcome in _TAKEN and has_errors)
    if case.outcome == TestCase.Outcome.ACCEPTED and not is_accepted:
        return f"It was not accepted. {response.get('explanation', '')}".strip()
    if case.outcome == TestCase.Outcome.REFUSED and not is_refused:
        said = "accepted" if is_accepted else "neither accepted nor refused"
        return f"It was {said}, and should have been refused."
    return ""


def _status(case: TestCase, response: Mapping[str, Any]) -> str:
    if case.status is None or case.status == response.get("status"):
        return ""
    return f"The status is {response.get('status')}, not {case.status}."


def _value(case: TestCase, body: bytes) -> str:
    if not case.answer_path:
        return ""
    try:
        found = find(orjson.loads(body), read_path(case.answer_path))
    except (LookupError, ValueError):
        return f"The answer has nothing at “{case.answer_path}”."
    if as_text(found) == case.answer_value or found == _typed(case.answer_value):
        return ""
    shown = as_text(found)[:MAX_SHOWN]
    expected = case.answer_value[:MAX_SHOWN]
    return f"At “{case.answer_path}” is “{shown}”, not “{expected}”."


def _typed(text: str) -> JSON:
    try:
        parsed: JSON = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return parsed
