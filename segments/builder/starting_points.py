"""Rules that a new segment may begin with, but for the names that are everybody's own."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from segments.rules.comparing.dates import is_by_days
from segments.rules.comparing.days import UTC_NAME, check_zone
from segments.rules.comparing.operator import ZONE
from segments.rules.operators import OPERATORS


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A name that is to be chosen: where in the rule, what, and words that it may have."""

    path: Sequence[str | int]
    say: str
    like: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartingPoint:
    title: str
    about: str
    rule: dict[str, Any]
    wishes: Sequence[Wish]


BUYING = ("order completed", "purchase", "order", "bought", "policy issued", "paid")

STARTING_POINTS = (
    StartingPoint(
        title="Lead form",
        about="Sent a lead form in the last 30 days, and bought nothing in them.",
        rule={
            "all": [
                {"event": "", "at_least": 1, "within_days": 30},
                {"not": {"event": "", "at_least": 1, "within_days": 30}},
            ]
        },
        wishes=(
            Wish(
                path=("all", 0, "event"),
                say="the event that comes when a lead form is sent",
                like=("lead", "form", "signed up", "enquiry", "quote"),
            ),
            Wish(
                path=("all", 1, "not", "event"),
                say="the event of buying, or of whatever ends a lead",
                like=BUYING,
            ),
        ),
    ),
    StartingPoint(
        title="Cart abandoned",
        about="Put something into the cart in the last day, and bought nothing in it.",
        rule={
            "all": [
                {"event": "", "at_least": 1, "within_hours": 24},
                {"not": {"event": "", "at_least": 1, "within_hours": 24}},
            ]
        },
        wishes=(
            Wish(
                path=("all", 0, "event"),
                say="the event of putting something into the cart",
                like=("cart", "basket", "checkout"),
            ),
            Wish(
                path=("all", 1, "not", "event"),
                say="the event of buying",
                like=BUYING,
            ),
        ),
    ),
    StartingPoint(
        title="Dormant",
        about="Was here once, and not in the last 90 days.",
        rule={"all": [{"event": "", "pick": "last", "before_days": 90}]},
        wishes=(
            Wish(
                path=("all", 0, "event"),
                say="the event that shows that somebody was here",
                like=("viewed", "opened", "visit", "login", "signed in", "session"),
            ),
        ),
    ),
    StartingPoint(
        title="Birthday",
        about="Has a birthday today; or choose within how many days.",
        rule={"all": [{"attribute": "", "is": "anniversary_in", "value": 0}]},
        wishes=(
            Wish(
                path=("all", 0, "attribute"),
                say="the attribute with the date of birth",
                like=("birth", "born", "dob"),
            ),
        ),
    ),
    StartingPoint(
        title="Lapsing policy",
        about="Has a policy that lapses today or in the next 30 days.",
        rule={
            "all": [
                {
                    "attribute": "",
                    "items": "any",
                    # The day on which it lapses is one of them.
                    "where": [
                        {
                            "property": "",
                            "is": "in_next_days",
                            "value": 30,
                            "calendar": True,
                        }
                    ],
                }
            ]
        },
        wishes=(
            Wish(
                path=("all", 0, "attribute"),
                say="the list of somebody’s policies",
                like=("polic", "contract", "subscription"),
            ),
            Wish(
                path=("all", 0, "where", 0, "property"),
                say="the field with the day on which a policy lapses",
                like=("laps", "expir", "end", "renew", "due"),
            ),
        ),
    ),
)


def in_zone(point: StartingPoint, zone: str) -> StartingPoint:
    """The same, with days that begin there; `zone` is the site's."""
    if zone == UTC_NAME or check_zone(zone):
        return point
    rule = deepcopy(point.rule)
    for comparison in _comparisons(rule):
        if ZONE in OPERATORS[comparison["is"]].options and is_by_days(comparison):
            comparison[ZONE] = zone
    return replace(point, rule=rule)


def _comparisons(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict) and "is" in part:
        yield part
    inside = part.values() if isinstance(part, dict) else part
    if isinstance(part, dict | list):
        for each in inside:
            yield from _comparisons(each)


def filled(point: StartingPoint, name: str = "chosen") -> dict[str, Any]:
    """The rule with the same name wherever one is to be chosen."""
    rule = deepcopy(point.rule)
    for wish in point.wishes:
        *path, key = wish.path
        holder: Any = rule
        for step in path:
            holder = holder[step]
        holder[key] = name
    return rule
