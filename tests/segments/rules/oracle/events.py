"""What people did: how often, when and where."""

from datetime import timedelta

from tests.segments.rules.oracle import KINDS, Kind
from tests.segments.rules.oracle.comparing import compare


def holds(rule, person, now):
    return len(satisfying(rule, person, now)) >= rule.get("at_least", 1)


def satisfying(rule, person, now):
    """The events that count."""
    return [did for did in person.did if counts(rule, did, now)]


def counts(rule, did, now):
    days = rule.get("within_days")
    return (
        did.name == rule["event"]
        and (not days or did.time >= now - timedelta(days=days))
        and is_where(rule, did, now)
    )


def is_where(rule, did, now):
    return all(
        compare(did.properties.get(one["property"]), one, now)
        for one in rule.get("where") or ()
    )


KINDS["event"] = Kind(holds=holds, events=satisfying)
