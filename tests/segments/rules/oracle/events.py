"""What people did: how often, when and where; the first and the last; figures; sequences."""

import re
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import product
from zoneinfo import ZoneInfo

from tests.segments.rules.oracle import KINDS, Kind
from tests.segments.rules.oracle.comparing import compare


def holds(condition, person, now):
    events = person.did
    if "aggregate" in condition:
        return fits_figure(condition["aggregate"], counting(condition, events, now))
    often = len(counting(condition, events, now))
    if "pick" in condition:
        return often == 1
    if "at_most" in condition:
        return often <= condition["at_most"]
    if "exactly" in condition:
        return often == condition["exactly"]
    return often >= condition.get("at_least", 1)


def counting(condition, events, now):
    """The events that count, oldest first."""
    own = sorted((e for e in events if e.name == condition["event"]), key=place)
    if condition.get("pick") == "first":
        own = own[:1]
    elif condition.get("pick") == "last":
        own = own[-1:]
    return [
        e
        for e in own
        if is_inside(condition, e.time, now) and satisfies(condition, e, now)
    ]


def place(event):
    return event.time, event.number


def satisfies(condition, event, now):
    return all(
        compare(event.properties.get(w["property"]), w, now)
        for w in condition.get("where") or ()
    )


def is_inside(condition, at, now):
    zone = ZoneInfo(condition.get("zone", "UTC"))
    if condition.get("calendar"):
        ago = (now.astimezone(zone).date() - at.astimezone(zone).date()).days
        if condition.get("within_days"):
            return ago <= condition["within_days"]
        newest, oldest = condition["between_days"]
        return newest <= ago <= oldest
    age = now - at
    if condition.get("within_days"):
        return age <= timedelta(days=condition["within_days"])
    if "within_hours" in condition:
        return age <= timedelta(hours=condition["within_hours"])
    if "before_days" in condition:
        return age > timedelta(days=condition["before_days"])
    if "between_days" in condition:
        newest, oldest = condition["between_days"]
        return timedelta(days=newest) < age <= timedelta(days=oldest)
    if "from" in condition and at < begins(condition["from"], zone):
        return False
    if "until" in condition:
        until = condition["until"]
        if len(until) == 10:
            return at.astimezone(zone).date() <= date.fromisoformat(until)
        return at <= begins(until, zone)
    return True


def begins(text, zone):
    if len(text) == 10:
        return datetime.combine(date.fromisoformat(text), time(), zone).astimezone(UTC)
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=zone)


def fits_figure(aggregate, events):
    found = figure(aggregate, events)
    if found is None:
        return False
    value = aggregate["value"]
    if aggregate["is"] == "between":
        return exact(value[0]) <= found <= exact(value[1])
    return {
        "greater": found > exact(value),
        "less": found < exact(value),
        "equals": found == exact(value),
    }[aggregate["is"]]


def figure(aggregate, events):
    values = [e.properties.get(aggregate["of"]) for e in events]
    if aggregate["by"] == "distinct":
        different = []
        for value in values:
            if value not in (None, "") and not any(same(value, d) for d in different):
                different.append(value)
        return len(different) or None
    numbers = [exact(value) for value in values if exact(value) is not None]
    if not numbers:
        return None
    return {
        "sum": sum(numbers),
        "average": sum(numbers) / len(numbers),
        "smallest": min(numbers),
        "largest": max(numbers),
    }[aggregate["by"]]


def exact(value):
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not re.fullmatch(
        r"-?[0-9]{1,30}(\.[0-9]{1,30})?", value
    ):
        return None
    return Fraction(str(value))


def same(one, other):
    """Python takes True for 1."""
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def chains(condition, events, now):
    """The rows of events that are such a sequence."""
    inside = [e for e in events if is_inside(window(condition), e.time, now)]
    steps = [
        [e for e in inside if e.name == step["event"] and satisfies(step, e, now)]
        for step in condition["sequence"]
    ]
    return [row for row in product(*steps) if is_chain(condition, row, inside, now)]


def window(condition):
    return {"within_days": condition.get("within_days")}


def is_chain(condition, row, events, now):
    places = [place(event) for event in row]
    if places != sorted(set(places)):
        return False
    length = row[-1].time - row[0].time
    hours = condition.get("within_hours")
    if hours is not None and length > timedelta(hours=hours):
        return False
    without = condition.get("without")
    return not without or not any(
        e.name == without["event"]
        and satisfies(without, e, now)
        and places[0] < place(e) < places[-1]
        for e in events
    )


def makes_true(condition, person, now):
    """The events by which it is true."""
    if "at_most" in condition:
        return []
    found = counting(condition, person.did, now)
    if "aggregate" in condition:
        return [e for e in found if figure(condition["aggregate"], [e]) is not None]
    return found


def makes_false(condition, person, now):
    """The events by which it is false; what was not done, or not any more, is none."""
    if "pick" in condition:
        ever = {"event": condition["event"], "pick": condition["pick"]}
        picked = counting(ever, person.did, now)
        return [e for e in picked if not satisfies(condition, e, now)]
    if "aggregate" in condition:
        is_less = condition["aggregate"]["is"] == "less"
        return makes_true(condition, person, now) if is_less else []
    found = counting(condition, person.did, now)
    if "exactly" in condition:
        return found if len(found) > condition["exactly"] else []
    return found if "at_most" in condition else []


KINDS["event"] = Kind(holds=holds, events=makes_true, against=makes_false)
KINDS["sequence"] = Kind(
    holds=lambda rule, person, now: bool(chains(rule, person.did, now)),
    events=lambda rule, person, now: [row[-1] for row in chains(rule, person.did, now)],
)
