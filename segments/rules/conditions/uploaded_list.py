"""Who is on an uploaded list: {"list": 3}.

A list has identifiers of one kind, and whoever has one of them is on it, whenever they
appear. Whose an identifier is, segments/rules/identified.py says.
"""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection

from segments.models import Profile, UploadedList
from segments.rules import identified
from segments.rules.conditions.segment import ID, MOST_CHOICES, is_id
from segments.rules.kinds import Choice, Condition, Kind, Person, allow
from segments.rules.schema import an_object

GONE = "a list that was deleted"
# Up to three rows of a person, and a look into the list for each.
SIZE = 3


class OnList(Kind):
    key = "list"

    def validate(self, condition: Condition, where: str) -> None:
        allow(condition, {"list"}, where)
        if not is_id(condition["list"]):
            raise ValidationError(f"{where}: choose a list.")

    def missing(self, condition: Condition) -> str:
        id = condition["list"]
        # Until the rule is saved it is not deleted.
        found = UploadedList.objects.filter(pk=id).select_for_update(of=("self",))
        return "" if found.exists() else f"the list {id}"

    def choices(self) -> list[Choice]:
        found = UploadedList.objects.order_by("name")
        rows = found.values_list("pk", "name", "size")[:MOST_CHOICES]
        return [
            Choice(value=id, text=name, about=f"{size:,} identifiers")
            for id, name, size in rows
        ]

    def schema(self) -> list[dict[str, Any]]:
        return [an_object({"list": ID})]

    def describe(self, condition: Condition) -> str:
        found = UploadedList.objects.filter(pk=condition["list"])
        name = found.values_list("name", flat=True).first()
        return f"is on the list “{name}”" if name else f"is on {GONE}"

    def sql(self, condition: Condition, person: Person) -> str:
        id = condition["list"]
        if person.is_few:
            return person.belongs(
                self.key,
                id,
                f"(EXISTS (SELECT FROM segments_uploadedlist l"
                f" CROSS JOIN LATERAL ({identified.of(person.id, 'l.kind')}) v"
                f" JOIN segments_listentry e ON e.of_id = l.id AND e.value = v.value"
                f" WHERE l.id = {id:d}))",
            )
        # Asked once: the branches of other kinds are not read.
        kind = f"(SELECT kind FROM segments_uploadedlist WHERE id = {id:d})"
        values = f"SELECT value FROM segments_listentry WHERE of_id = {id:d}"
        return f"({person.id} IN ({identified.owners(values, kind)}))"

    def size(self, condition: Condition) -> int:
        return SIZE

    def shown(self, condition: Condition, person: Profile) -> str:
        """By which identifier of theirs they are on the list."""
        with connection.cursor() as cursor:
            values = identified.of(f"{person.pk:d}", "l.kind")
            cursor.execute(SHOWN.format(values=values), [condition["list"]])
            row = cursor.fetchone()
        if row is None:
            return "None of their identifiers is on it."
        return f"They are on it by “{row[0]}”."


SHOWN = """
SELECT v.value FROM segments_uploadedlist l CROSS JOIN LATERAL ({values}) v
JOIN segments_listentry e ON e.of_id = l.id AND e.value = v.value
WHERE l.id = %s ORDER BY v.value LIMIT 1
"""
