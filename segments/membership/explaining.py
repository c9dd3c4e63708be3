"""Why a person is in a segment or not: each condition, and the values that decided."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from segments.models import Profile
from segments.rules import kinds, tree

GROUPS = {"all": "All of these", "any": "At least one of these"}
NONE, NOT = "None of these", "Not"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one part of a rule says of a person.

    A group has `parts`; a condition has `shown`, a sentence on what decided.
    """

    text: str
    holds: bool
    parts: tuple["Verdict", ...] = ()
    shown: str = ""


def explain(rule: dict[str, Any], person: Profile) -> Verdict:
    """Ask each condition of a valid rule about a person who is not part of another.

    The conditions are answered by one statement, those of events by one more each.
    """
    conditions = list(tree.conditions(rule))
    answers = Profile.objects.filter(pk=person.pk).values(
        **{
            f"holds_{number}": tree.Holds(one, is_few=True)
            for number, one in enumerate(conditions)
        }
    )
    holds: dict[str, Any] = dict(answers.get())
    found = iter(
        [
            _condition(one, person, bool(holds[f"holds_{number}"]))
            for number, one in enumerate(conditions)
        ]
    )
    return _verdict(rule, found)


def _verdict(rule: dict[str, Any], found: Iterator[Verdict]) -> Verdict:
    """The verdict of a part; `found` are those of the conditions, in their order."""
    if "not" in rule:
        part = _verdict(rule["not"], found)
        if not part.parts:
            # In one sentence: they did not do it, and it holds that they did not.
            return Verdict(
                text=tree.describe(rule), holds=not part.holds, shown=part.shown
            )
        text = NONE if "any" in rule["not"] else f"{NOT}: {part.text.lower()}"
        return Verdict(text=text, holds=not part.holds, parts=part.parts)
    for group, text in GROUPS.items():
        if group in rule:
            parts = tuple(_verdict(part, found) for part in rule[group])
            decides = all if group == "all" else any
            holds = decides(part.holds for part in parts)
            return Verdict(text=text, holds=holds, parts=parts)
    return next(found)


def _condition(condition: dict[str, Any], person: Profile, holds: bool) -> Verdict:
    shown = kinds.of(condition).shown(condition, person)
    return Verdict(text=tree.describe(condition), holds=holds, shown=shown)
