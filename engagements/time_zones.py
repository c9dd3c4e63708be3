"""Time zones by name, as they are typed and as people's attributes have them.

https://docs.python.org/3/library/zoneinfo.html#zoneinfo.available_timezones
"""

from collections.abc import Mapping
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.db import connection

OF_PEOPLE = """
    SELECT id, attributes ->> %s::text FROM segments_profile WHERE id = ANY(%s::bigint[])
"""


@cache
def names() -> frozenset[str]:
    """All that there are: looking for them reads a folder.

    But for two files beside them: a person's "localtime" is not that of our machine.
    """
    return frozenset(available_timezones()) - {"localtime", "Factory"}


def check(name: str) -> str:
    """The name of a zone; raises ValidationError for any other."""
    if name not in names():
        raise ValidationError(
            f"There is no time zone “{name}”. Choose one such as Europe/Berlin."
        )
    return name


def zone_of(name: str | None, fallback: str) -> ZoneInfo:
    """The zone of this name; the fallback where there is none."""
    return ZoneInfo(name if name and name in names() else fallback)


def of_people(people: str, attribute: str) -> Mapping[int, str | None]:
    """What people (their ids, as an array) have in an attribute, be it a zone or not."""
    with connection.cursor() as cursor:
        cursor.execute(OF_PEOPLE, [attribute, people])
        return dict(cursor.fetchall())
