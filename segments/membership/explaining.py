"""Why a person is in a segment or not: each condition, and the values that decided."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Count, ExpressionWrapper, Max

from segments.models import Profile
from segments.rules import tree

GROUPS = {"all": "All of these", "any": "At least one of these"}
NONE, NOT = "None of these", "Not"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one part of a rule says of a person.

    A group has `parts`; a condition has what it decided by: the `value` of an attribute
    (None where it is missing), or how `often` and when at `last` an event was done that
    counts.
    """

    text: str
    holds: bool
    parts: tuple["Verdict", ...] = ()
    is_event: bool = False
    value: Any = None
    often: int = 0
    last: datetime | None = None

    @property
    def shown(self) -> str:
        """The value as JSON says it, so that 5 and "5" differ."""
        return json.dumps(self.value, ensure_ascii=False)


def explain(rule: dict[str, Any], person: Profile) -> Verdict:
    """Ask each condition of a valid rule about a person who is not part of another.

    The conditions are answered by one statement, those of events by one more each.
    """
    conditions = list(tree.conditions(rule))
    answers = Profile.objects.filter(pk=person.pk).values(
        **{
            f"holds_{number}": ExpressionWrapper(
                tree.compile(one, [person.pk]), output_field=BooleanField()
            )
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
            return Verdict(text=NOT, holds=not part.holds, parts=(part,))
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
    text = tree.describe(condition)
    if "attribute" in condition:
        name = condition["attribute"]
        is_column = name in tree.COLUMNS
        value = getattr(person, name) if is_column else person.attributes.get(name)
        # Compared as the rules do: an empty text is no value.
        return Verdict(text=text, holds=holds, value=None if value == "" else value)
    counted = tree.events(condition).filter(profile=person)
    seen = counted.aggregate(often=Count("pk"), last=Max("time"))
    return Verdict(text=text, holds=holds, is_event=True, **seen)
