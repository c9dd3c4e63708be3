"""Who is on an uploaded list: {"list": 3}.

A list has identifiers of one kind, and whoever has one of them is on it, whenever they
appear. Whose an identifier is, segments/rules/identified.py says.
"""

from collections.abc import Collection, Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import OperationalError, connection, transaction

from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.database_errors import LOCKED, sqlstate
from segments.models import Profile, UploadedList
from segments.rules import identified
from segments.rules.conditions.segment import ID, is_id
from segments.rules.kinds import Choice, Condition, Kind, Person, allow, offered
from segments.rules.schema import an_object

GONE = "a list that was deleted"
# In milliseconds: less than a deadlock takes to be found.
PATIENCE = 500
# Up to three rows of a person, and a look into the list for each.
SIZE = 3


class OnList(Kind):
    key = "list"

    def validate(self, condition: Condition, where: str) -> None:
        allow(condition, {"list"}, where)
        if not is_id(condition["list"]):
            raise ValidationError(f"{where}: choose a list.")

    def missing(self, condition: Condition) -> str:
        """Until the rule is saved the list is neither written nor deleted.

        Raises a ValidationError where it is being written: that may take minutes, and
        whoever saves the rule has the segment, for which what comes in would wait.
        """
        id = condition["list"]
        rows = UploadedList.objects.filter(pk=id).select_for_update(of=("self",))
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}ms'")
                is_there = rows.exists()
                cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
        except OperationalError as e:
            if sqlstate(e) != LOCKED:
                raise
            raise ValidationError(
                f"Rule: the list {id} is just being written. Save it again in a minute."
            ) from e
        return "" if is_there else f"the list {id}"

    def choices(self, named: Collection[Any] = ()) -> list[Choice]:
        return [
            Choice(
                value=one.pk,
                text=one.name,
                about=counted(one.size, "identifier"),
                url=one.get_absolute_url(),
            )
            for one in offered(UploadedList.objects.all(), named)
        ]

    def schema(self) -> list[dict[str, Any]]:
        return [an_object({"list": ID})]

    def describe(self, condition: Condition) -> str:
        found = UploadedList.objects.filter(pk=condition["list"])
        name = found.values_list("name", flat=True).first()
        return f"is on the list “{name}”" if name else f"is on {GONE}"

    def describe_not(self, condition: Condition) -> str:
        return self.describe(condition).replace("is on ", "is not on ", 1)

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

    def attribute_names(self, condition: Condition) -> Iterable[str]:
        return identified.COLUMNS

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
