"""A schedule in each person's own zone: an attribute of theirs has its name.

A slot's run is made when the first place on Earth reaches the reading, 14 hours ahead of
UTC; its people are taken in then, and each waits until a clock in their own zone shows it.
Whose zone is missing, or is none, is due by the engagement's own. The window of a slot is
over 26 hours later, when the last place has reached it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from engagements import time_zones
from engagements.models import Engagement
from engagements.schedules.slots import Schedule, Slot, of, reading_at
from lemnisk_braze.lib.time_limits import at_most

FIRST = timezone(timedelta(hours=14))
# From the first place's reading to the last one's.
WINDOW = timedelta(hours=26)
# In milliseconds: so long somebody waits for the numbers of a page.
PATIENCE = 4_000
# What somebody has in place of a zone: nothing, or a text that names none.
COUNT = """
    SELECT count(*) FILTER (WHERE coalesce(s.attributes->>%(attribute)s, '') = ''),
        count(*) FILTER (WHERE s.attributes->>%(attribute)s <> ''
            AND s.attributes->>%(attribute)s <> ALL(%(zones)s))
    FROM segments_membership m JOIN segments_profile s ON s.id = m.profile_id
    WHERE m.segment_id = %(segment)s
"""
# Around {people} (audience.expansion): when each is due; 'infinity' for whom that was
# over before. What a text cannot be, such as a list, names no zone either.
DUE = """
    SELECT p.*, CASE WHEN z.due >= %(not_before)s THEN z.due ELSE 'infinity' END AS due
    FROM ({people}) p
    JOIN segments_profile s ON s.id = p.profile_id
    LEFT JOIN unnest(%(zone_names)s::text[], %(zone_due)s::timestamptz[])
        own (name, due) ON own.name = s.attributes->>%(zone_attribute)s
    CROSS JOIN LATERAL (SELECT coalesce(own.due, %(fallback_due)s::timestamptz)) z (due)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnZone:
    """What a run keeps of it.

    `reading`: what clocks show when people are due. Whose time was over before
    `not_before` is left to the next slot; None where there is none, and they go at once.
    """

    attribute: str
    fallback: str
    reading: datetime
    not_before: datetime | None

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **asdict(self),
            "reading": self.reading.isoformat(),
            "not_before": self.not_before and self.not_before.isoformat(),
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "OwnZone":
        not_before = stored["not_before"]
        return cls(
            attribute=stored["attribute"],
            fallback=stored["fallback"],
            reading=datetime.fromisoformat(stored["reading"]),
            not_before=datetime.fromisoformat(not_before) if not_before else None,
        )

    def parameters(self) -> dict[str, Any]:
        """What DUE asks for."""
        due = due_by_zone(self.reading)
        never = datetime.min.replace(tzinfo=UTC)
        return {
            "zone_attribute": self.attribute,
            "zone_names": list(due),
            "zone_due": list(due.values()),
            "fallback_due": reading_at(self.reading, ZoneInfo(self.fallback)),
            "not_before": self.not_before or never,
        }


@lru_cache(maxsize=20)
def due_by_zone(reading: datetime) -> dict[str, datetime]:
    """When a clock shows it, in every zone that has a name."""
    return {
        name: reading_at(reading, ZoneInfo(name)) for name in sorted(time_zones.names())
    }


def is_own(engagement: Engagement) -> bool:
    return bool(engagement.zone_attribute)


def of_engagement(engagement: Engagement, start: datetime) -> Schedule:
    """The schedule, whose slots are when the first place reaches them where they are own."""
    named = of(engagement, start)
    if not is_own(engagement):
        return named
    return Schedule(
        start=_ahead(named, named.start),
        end=named.end and _ahead(named, named.end),
        zone=FIRST,
        repeat=named.repeat,
        weekdays=named.weekdays,
        month_day=named.month_day,
        cron=named.cron,
    )


def _ahead(named: Schedule, at: datetime) -> datetime:
    """When the first place shows what the schedule's zone shows then."""
    reading = at.astimezone(named.zone).replace(tzinfo=None)
    return reading_at(reading, FIRST)


def window(engagement: Engagement) -> timedelta:
    """How long after a slot's moment somebody may still become due."""
    return WINDOW if is_own(engagement) else timedelta(0)


def last_at(engagement: Engagement, slot: Slot) -> datetime:
    """When the last place reaches a slot."""
    return slot.at + window(engagement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """How many of a segment's people have no zone, and how many a text that is none."""

    missing: int
    unknown: int


def unknown_zones(engagement: Engagement) -> Unknown | None:
    """Who of the segment is due by the fallback; None where counting takes too long."""
    found: Unknown | None = None
    with at_most(PATIENCE), connection.cursor() as cursor:
        cursor.execute(
            COUNT,
            {
                "attribute": engagement.zone_attribute,
                "zones": sorted(time_zones.names()),
                "segment": engagement.segment_id,
            },
        )
        missing, unknown = cursor.fetchone()
        found = Unknown(missing=missing, unknown=unknown)
    return found
