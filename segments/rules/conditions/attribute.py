"""What people have: {"attribute": "city", "is": OPERATOR, "value": VALUE}.

The columns external_id, email and phone are attributes too.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from segments.contact import as_begun, as_email, as_phone
from segments.models import DictionaryEntry, Profile
from segments.rules import operators, schema
from segments.rules.comparing.values import as_text
from segments.rules.kinds import (
    COLUMNS,
    Condition,
    Kind,
    Person,
    allow,
    check_name,
)

Form: TypeAlias = Callable[[str], str]


class Attribute(Kind):
    key = "attribute"

    def validate(self, condition: Condition, where: str) -> None:
        allow(condition, {"attribute", *operators.KEYS}, where)
        check_name(condition["attribute"], f"{where}: enter the name of an attribute")
        operators.validate(condition, f"{where}, attribute {condition['attribute']}")

    def schema(self) -> list[dict[str, Any]]:
        return schema.comparisons("attribute")

    def describe(self, condition: Condition) -> str:
        return operators.describe(condition["attribute"].replace("_", " "), condition)

    def describe_not(self, condition: Condition) -> str:
        opposite = operators.opposite(condition["is"])
        if opposite is None:
            return super().describe_not(condition)
        return self.describe({**condition, "is": opposite})

    def sql(self, condition: Condition, person: Person) -> str:
        comparison = _as_kept(condition)
        left = person.attribute(condition["attribute"], operators.reads(comparison))
        return operators.holds(left, comparison)

    def shown(self, condition: Condition, person: Profile) -> str:
        name = condition["attribute"]
        value = (
            getattr(person, name) if name in COLUMNS else person.attributes.get(name)
        )
        # Compared as the rules do: an empty text is no value.
        if value is None or value == "":
            return "They have no such value."
        # As JSON says it, so that 5 and "5" differ.
        return f"Theirs is {json.dumps(value, ensure_ascii=False)}."

    def size(self, condition: Condition) -> int:
        return operators.size(condition)

    def comparisons(
        self, condition: Condition, where: str
    ) -> Iterator[tuple[str, Condition]]:
        yield f"{where}, attribute {condition['attribute']}", condition

    def attribute_names(self, condition: Condition) -> Iterable[str]:
        yield condition["attribute"]

    def names(self, condition: Condition) -> Iterable[tuple[str, str, str]]:
        yield DictionaryEntry.Kind.ATTRIBUTE, "", condition["attribute"]

    def is_counted(self, condition: Condition) -> bool:
        return operators.reads_the_clock(condition)

    def midnights(self, condition: Condition) -> Iterable[str]:
        return operators.midnights([condition])


def _as_kept(condition: Condition) -> Condition:
    """E-mail addresses and phone numbers are compared in the form in which they are kept."""
    name = condition["attribute"]
    if name not in FORMS:
        return condition
    takes = operators.OPERATORS[condition["is"]].takes
    if takes == "pattern":
        return {**condition, "fold": True} if name == "email" else condition
    form = FORMS[name].get(takes)
    return (
        {**condition, "value": _each(form, condition["value"])} if form else condition
    )


def _each(form: Form, value: Any) -> Any:
    if isinstance(value, list):
        return [_each(form, one) for one in value]
    if isinstance(value, bool):
        return value
    # What is nothing but spaces stays: everything would begin with what is left of it.
    return form(as_text(value)) or value


# By what a comparison takes.
FORMS: Mapping[str, Mapping[str, Form]] = {
    "email": {"value": as_email, "values": as_email, "text": as_email},
    "phone": {"value": as_phone, "values": as_phone, "text": as_begun},
}
