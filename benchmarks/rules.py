"""Twelve rules as marketers make them, and each as somebody would write it in SQL."""

from dataclasses import dataclass
from typing import Any

from lemnisk_braze.local.processes import LocalError
from segments.membership import refresh
from segments.models import Segment
from segments.rules import tree

OPENED, VIEWED, BOUGHT = "App opened", "Product viewed", "Order completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A rule, and a condition over `p`, a row of segments_profile, that says the same."""

    rule: dict[str, Any]
    sql: str


def _did(event: str, days: int, at_least: int = 1, where: str = "") -> str:
    return (
        "p.id IN (SELECT profile_id FROM segments_event"
        f" WHERE name = '{event}' AND time > now() - interval '{days} days' {where}"
        f" GROUP BY profile_id HAVING count(*) >= {at_least})"
    )


PAIRS = (
    Pair(
        rule={"attribute": "city", "is": "equals", "value": "Pune"},
        sql="p.attributes ->> 'city' = 'Pune'",
    ),
    Pair(
        rule={"attribute": "plan", "is": "in", "value": ["silver", "gold"]},
        sql="p.attributes ->> 'plan' IN ('silver', 'gold')",
    ),
    Pair(
        rule={"attribute": "score", "is": "greater", "value": 500},
        sql="(p.attributes ->> 'score')::numeric > 500",
    ),
    Pair(
        rule={"attribute": "score", "is": "between", "value": [100, 300]},
        sql="(p.attributes ->> 'score')::numeric BETWEEN 100 AND 300",
    ),
    Pair(
        rule={"attribute": "newsletter", "is": "equals", "value": True},
        sql="p.attributes -> 'newsletter' = 'true'",
    ),
    Pair(
        rule={"attribute": "last_name", "is": "starts_with", "value": "Example 1"},
        sql="starts_with(p.attributes ->> 'last_name', 'Example 1')",
    ),
    Pair(
        rule={"attribute": "member_since", "is": "greater", "value": "2025-01-15"},
        sql="(p.attributes ->> 'member_since')::timestamptz > '2025-01-15Z'",
    ),
    Pair(
        rule={
            "all": [
                {"attribute": "city", "is": "equals", "value": "Berlin"},
                {"not": {"attribute": "plan", "is": "equals", "value": "free"}},
            ]
        },
        sql="p.attributes ->> 'city' = 'Berlin' AND p.attributes ->> 'plan' <> 'free'",
    ),
    Pair(
        rule={"event": BOUGHT, "at_least": 3, "within_days": 30},
        sql=_did(BOUGHT, 30, 3),
    ),
    Pair(rule={"event": OPENED, "within_days": 7}, sql=_did(OPENED, 7)),
    Pair(
        rule={"not": {"event": OPENED, "within_days": 30}},
        sql=f"NOT {_did(OPENED, 30)}",
    ),
    Pair(
        rule={
            "all": [
                {
                    "event": VIEWED,
                    "within_days": 30,
                    "where": [{"property": "form", "is": "equals", "value": "shoes"}],
                },
                {"not": {"event": BOUGHT, "within_days": 30}},
            ]
        },
        sql=_did(VIEWED, 30, where="AND properties ->> 'form' = 'shoes'")
        + f" AND NOT {_did(BOUGHT, 30)}",
    ),
)


def make_segments(count: int) -> list[Segment]:
    """So many active, counted segments: the twelve, then their narrower sisters."""
    return [_make_segment(number) for number in range(count)]


def check() -> None:
    """Raise LocalError where a segment was left out because it could not be counted."""
    if problem := Segment.objects.exclude(problem="").first():
        raise LocalError(f"{problem} was not counted: {problem.problem}")


def _make_segment(number: int) -> Segment:
    rule = PAIRS[number % len(PAIRS)].rule
    if number >= len(PAIRS):
        than = {"attribute": "number", "is": "greater", "value": number}
        rule = {"all": [rule, than]}
    segment = Segment.objects.create(
        name=f"Rule {number}", rule=rule, event_names=tree.event_names(rule)
    )
    refresh.refresh(segment.pk)
    segment.refresh_from_db()
    return segment
