"""Which runs come on which day, of many engagements beside each other.

Of one that runs often on a day the first is shown, with how many there are. Two that run
within the same hour clash where they may be for the same people; nothing is moved for that.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import combinations, takewhile

from django.db import connection

from engagements.models import Engagement
from engagements.schedules import making, own_zone
from lemnisk_braze.lib.time_limits import at_most

DAY = timedelta(days=1)
SHOWN = (Engagement.State.ACTIVE, Engagement.State.DRAFT)
# Engagements of a page, and times of all of them that are worked out.
MOST = 200
MOST_TIMES = 40_000
# In milliseconds, and how many pairs of segments are looked at.
PATIENCE = 1_000
MOST_PAIRS = 50
SHARES = """
    SELECT EXISTS (
        SELECT FROM segments_membership a
        JOIN segments_membership b USING (profile_id)
        WHERE a.segment_id = %s AND b.segment_id = %s
    )
"""


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """An engagement's runs of a day: the first, and how many."""

    engagement: Engagement
    at: datetime
    # What the clock shows: the viewer's, or each person's own.
    reading: datetime
    count: int = 1
    clashes: list[str] = field(default_factory=list)

    @property
    def is_own_zone(self) -> bool:
        return own_zone.is_own(self.engagement)

    @property
    def is_draft(self) -> bool:
        return self.engagement.state == Engagement.State.DRAFT


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What comes on a day, in order."""

    date: date
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Days in a row; not all that runs in them where it `is_cut`."""

    days: Sequence[Day]
    is_cut: bool


def of(begin: date, count: int, now: datetime, zone: tzinfo) -> Calendar:
    """So many days from one on, by the clocks of a zone; only what is still to come."""
    schedules = Engagement.objects.filter(
        trigger=Engagement.Trigger.SCHEDULE, state__in=SHOWN
    )
    found = list(schedules.order_by("name")[: MOST + 1])
    engagements, is_cut = found[:MOST], len(found) > MOST
    left = MOST_TIMES
    by_day: dict[date, list[Entry]] = defaultdict(list)
    hours: dict[datetime, list[Entry]] = defaultdict(list)
    end = begin + count * DAY
    for engagement in engagements:
        entries: dict[date, Entry] = {}
        for at, reading in _times(engagement, begin, end, now, zone):
            entry = entries.get(reading.date())
            if entry is None:
                entry = Entry(engagement=engagement, at=at, reading=reading)
                entries[reading.date()] = entry
                by_day[reading.date()].append(entry)
            else:
                entry.count += 1
            hour = reading.replace(minute=0, second=0, microsecond=0)
            if entry not in hours[hour]:
                hours[hour].append(entry)
            left -= 1
            if not left:
                break
        if not left:
            is_cut = True
            break
    _mark(hours.values())
    dates = [begin + number * DAY for number in range(count)]
    days = [
        Day(date=day, entries=sorted(by_day[day], key=lambda one: one.reading))
        for day in dates
    ]
    return Calendar(days=days, is_cut=is_cut)


def _times(
    engagement: Engagement, begin: date, end: date, now: datetime, zone: tzinfo
) -> Iterator[tuple[datetime, datetime]]:
    """(when, what the clock shows) of the slots of these days."""
    first = datetime.combine(begin, time(), tzinfo=zone) - 2 * DAY
    coming = making.coming(engagement, max(now, first.astimezone(UTC)))
    readings = (
        (
            slot.at,
            slot.reading
            if own_zone.is_own(engagement)
            else slot.at.astimezone(zone).replace(tzinfo=None),
        )
        for slot in coming
    )
    known = takewhile(lambda pair: pair[1].date() < end, readings)
    for at, reading in known:
        if reading.date() >= begin:
            yield at, reading


def _mark(hours: Iterable[list[Entry]]) -> None:
    """Say of those of an hour with whom they clash."""
    shares: dict[frozenset[int], str] = {}
    for entries in hours:
        for one, other in combinations(entries, 2):
            pair = frozenset({one.engagement.segment_id, other.engagement.segment_id})
            if pair not in shares:
                shares[pair] = _shares(pair) if len(shares) < MOST_PAIRS else UNKNOWN
            if words := shares[pair]:
                _say(one, f"{other.engagement.name}: {words}")
                _say(other, f"{one.engagement.name}: {words}")


def _say(entry: Entry, words: str) -> None:
    if words not in entry.clashes:
        entry.clashes.append(words)


SAME = "the same hour and the same segment"
BOTH = "the same hour, and now somebody is in both segments"
UNKNOWN = "the same hour; whether somebody is in both segments takes too long to tell"


def _shares(segments: frozenset[int]) -> str:
    """What two segments have in common now; "" if nothing."""
    if len(segments) == 1:
        return SAME
    found = UNKNOWN
    with at_most(PATIENCE), connection.cursor() as cursor:
        cursor.execute(SHARES, sorted(segments))
        found = BOTH if cursor.fetchone()[0] else ""
    return found
