"""What is known of a person, and of an event, compared."""

from tests.segments.rules.oracle import KINDS, Kind
from tests.segments.rules.oracle.comparing import compare

# Not texts: no lower case is wanted of them.
DATES = ("date_is", "date_before", "date_after", "date_between", "weekday_in")


def holds(rule, person, now):
    name = rule["attribute"]
    if name != "email":
        return compare(value_of(person, name), rule, now)
    if rule["is"] == "matches":
        rule = {**rule, "fold": True}
    elif rule["is"] not in ("greater", "less", "between", *DATES):
        rule = {**rule, "value": lower(rule.get("value"))}
    return compare(value_of(person, name), rule, now)


def value_of(person, name):
    # Empty, a column has no value.
    columns = {
        "email": person.email or None,
        "phone": person.phone or None,
        "external_id": person.external_id or None,
    }
    return {**person.attributes, **columns}.get(name)


def lower(value):
    """Addresses are kept in lower case."""
    if isinstance(value, list):
        return [lower(one) for one in value]
    return value.lower() if isinstance(value, str) else value


KINDS["attribute"] = Kind(holds=holds)
