"""What people have several of: an attribute that is a list of objects.

    {"attribute": "policies", "items": "at_least", "count": 2,
     "where": [{"property": "lapses_on", "is": OPERATOR, "value": VALUE}, …]}

`items` is any, all, none, exactly, at_least or at_most; the last three have a count. One
item must be all that `where` says. Of an empty list nothing is all. What is no list has
no items, nor is an element one that is no object.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection

from lemnisk_braze.lib.counted import counted
from segments.models import DictionaryEntry, Profile
from segments.rules import operators, schema
from segments.rules.comparing.values import is_whole
from segments.rules.conditions import properties
from segments.rules.kinds import Condition, Kind, Person, allow, check_name

MAX_COUNT = 10_000
# So many that decided are shown.
SHOWN = 5
QUANTIFIERS = {
    "any": "has an item",
    "all": "has only items",
    "none": "has no item",
    "exactly": "has exactly",
    "at_least": "has at least",
    "at_most": "has at most",
}
COUNTED = {"exactly": "=", "at_least": ">=", "at_most": "<="}
# Of what is no list there are no rows.
_LIST = "CASE jsonb_typeof($a) WHEN 'array' THEN $a END"


class Items(Kind):
    key = "items"
    also = frozenset({"attribute"})

    def validate(self, condition: Condition, where: str) -> None:
        allow(condition, {"attribute", "items", "count", "where"}, where)
        name = condition.get("attribute")
        check_name(name, f"{where}: enter the name of an attribute")
        where = f"{where}, items of {name}"
        quantifier = condition["items"]
        if not isinstance(quantifier, str) or quantifier not in QUANTIFIERS:
            raise ValidationError(f"{where}: choose one of {', '.join(QUANTIFIERS)}.")
        if quantifier in COUNTED:
            least = 1 if quantifier == "at_least" else 0
            if not is_whole(condition.get("count"), least, MAX_COUNT):
                raise ValidationError(
                    f"{where}: “count” is a whole number between {least} and"
                    f" {MAX_COUNT:,}."
                )
        elif "count" in condition:
            raise ValidationError(
                f"{where}: “{quantifier}” has no count; leave it out."
            )
        properties.validate(condition.get("where"), where)

    def schema(self) -> list[dict[str, Any]]:
        found = []
        for quantifiers, count in (
            ([one for one in QUANTIFIERS if one not in COUNTED], None),
            (["exactly", "at_most"], 0),
            (["at_least"], 1),
        ):
            required = {"attribute": schema.NAME, "items": {"enum": quantifiers}}
            if count is not None:
                required["count"] = {
                    "type": "integer",
                    "minimum": count,
                    "maximum": MAX_COUNT,
                }
            found.append(schema.an_object(required, where=properties.schema()))
        return found

    def describe(self, condition: Condition) -> str:
        name = condition["attribute"].replace("_", " ")
        said = f"{name} {QUANTIFIERS[condition['items']]}"
        if condition["items"] in COUNTED:
            count = condition["count"]
            said += f" {counted(count, 'item')}"
        return f"{said}{properties.describe(condition)}"

    def sql(self, condition: Condition, person: Person) -> str:
        every = _every(person.attribute(condition["attribute"], _LIST))
        fits = _fits(condition)
        fitting = f"{every} AND {fits}"
        quantifier = condition["items"]
        if quantifier in COUNTED:
            sign, count = COUNTED[quantifier], condition["count"]
            return f"((SELECT count(*) {fitting}) {sign} {count})"
        if quantifier == "all":
            return (
                f"(EXISTS (SELECT {every})"
                f" AND NOT EXISTS (SELECT {every} AND NOT {fits}))"
            )
        sql = f"EXISTS (SELECT {fitting})"
        return f"(NOT {sql})" if quantifier == "none" else f"({sql})"

    def shown(self, condition: Condition, person: Profile) -> str:
        array = Person(is_few=True).attribute(condition["attribute"], _LIST)
        fits, every = _fits(condition), _every(array, " WITH ORDINALITY")
        statement = f"SELECT i.item::text, {fits} {every} ORDER BY i.ordinality"
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT s.* FROM segments_profile p"
                f" CROSS JOIN LATERAL ({statement}) s WHERE p.id = {person.pk:d}"
            )
            rows = cursor.fetchall()
        return _said(condition, [(json.loads(i), f) for i, f in rows])

    def size(self, condition: Condition) -> int:
        return 1 + sum(map(operators.size, properties.of(condition)))

    def comparisons(
        self, condition: Condition, where: str
    ) -> Iterator[tuple[str, Condition]]:
        place = f"{where}, items of {condition['attribute']}"
        return properties.comparisons(condition, place)

    def attribute_names(self, condition: Condition) -> Iterable[str]:
        yield condition["attribute"]

    def names(self, condition: Condition) -> Iterable[tuple[str, str, str]]:
        yield DictionaryEntry.Kind.ATTRIBUTE, "", condition["attribute"]

    def is_counted(self, condition: Condition) -> bool:
        return any(map(operators.reads_the_clock, properties.of(condition)))

    def midnights(self, condition: Condition) -> Iterable[str]:
        return operators.midnights(properties.of(condition))


def _every(array: str, more: str = "") -> str:
    """SQL of a list's items, as rows `i`."""
    return (
        f"FROM jsonb_array_elements({array}){more} i (item)"
        " WHERE jsonb_typeof(i.item) = 'object'"
    )


def _fits(condition: Condition) -> str:
    """Whether an item is all that `where` says."""
    return f"({' AND '.join(properties.sql(condition, 'i', 'item')) or 'true'})"


def _said(condition: Condition, items: list[tuple[Any, bool]]) -> str:
    """How many items fit, and those that decided."""
    if not items:
        return "They have no items there."
    fitting = [item for item, fits in items if fits]
    others = [item for item, fits in items if not fits]
    is_of_others = not fitting or (condition["items"] == "all" and others)
    decided = others if is_of_others else fitting
    shown = ", ".join(json.dumps(one, ensure_ascii=False) for one in decided[:SHOWN])
    more = ", …" if len(decided) > SHOWN else ""
    verb = "does not fit" if is_of_others else "fits"
    if len(decided) != 1:
        verb = "do not fit" if is_of_others else "fit"
    return f"Of {counted(len(items), 'item')} {len(decided):,} {verb}: {shown}{more}."
