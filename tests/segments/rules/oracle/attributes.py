"""What is known of a person, and of an event, compared."""

import re
import unicodedata

from segments.rules.operators import OPERATORS
from tests.segments.rules.oracle import KINDS, Kind
from tests.segments.rules.oracle.comparing import compare


def holds(rule, person, now):
    name, takes = rule["attribute"], OPERATORS[rule["is"]].takes
    if name == "email" and takes == "pattern":
        rule = {**rule, "fold": True}
    elif name in ("email", "phone") and takes in ("value", "values", "text"):
        kept = as_kept(name, rule["value"], whole=takes != "text")
        rule = {**rule, "value": kept}
    return compare(value_of(person, name), rule, now)


def value_of(person, name):
    # Empty, a column has no value.
    columns = {
        "email": person.email or None,
        "phone": person.phone or None,
        "external_id": person.external_id or None,
    }
    return {**person.attributes, **columns}.get(name)


def as_kept(name, value, *, whole):
    """In the form in which addresses and numbers are kept."""
    if isinstance(value, list):
        return [as_kept(name, one, whole=whole) for one in value]
    if isinstance(value, bool):
        return value
    text = str(value)
    if name == "email":
        return unicodedata.normalize("NFC", text.strip().lower()) or value
    if text.startswith("+"):
        return re.sub(r"[ ()./-]", "", text)
    is_whole = whole and re.fullmatch("[1-9][0-9]{10,14}", text)
    return f"+{text}" if is_whole else text


KINDS["attribute"] = Kind(holds=holds)
