"""What a schedule is, and what it does next, in sentences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import islice
from zoneinfo import ZoneInfo

from django.utils import timezone

from engagements.models import Approval, Engagement
from engagements.schedules import making, own_zone, years
from engagements.schedules.readings import LAST_DAY
from engagements.schedules.slots import Slot
from segments.membership import refresh

Repeat = Engagement.Repeat
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WORKDAYS = [0, 1, 2, 3, 4]
# How many of the next times are shown.
NEXT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """One of the next times, in words: where the schedule is, and where the viewer is.

    `elsewhere` is "" where that is the same.
    """

    at: datetime
    here: str
    elsewhere: str


def in_words(engagement: Engagement, now: datetime) -> str:
    """What comes next, in sentences; "" where there is nothing to say.

    Of one that is not active: what happens when somebody resumes it now, or approves the
    run that it waits with: that goes on beside whatever is said here.
    """
    if engagement.state in Engagement.AT_REST:
        return ""
    if problem := years.problem(engagement):
        return problem
    found = making.plan(engagement, now)
    asks = engagement.state != Engagement.State.ACTIVE and _asks(engagement)
    said = []
    if found.due:
        too = ", too" if asks else ""
        said.append(
            f"The missed run of {_moment(engagement, found.due)} goes out now{too}"
        )
    if found.left_out:
        said.append(
            f"The missed run of {_moment(engagement, found.left_out)} is left out,"
            " because the next one is near"
        )
    if found.following:
        said.append(f"Next run: {_moment(engagement, found.following)}")
    if found.is_over:
        said.append("No run comes any more: it ends by itself")
    if not said:
        return ""
    if engagement.state != Engagement.State.ACTIVE:
        lead = "If it is approved now" if asks else "If you resume it now"
        said[0] = f"{lead}: {said[0][0].lower()}{said[0][1:]}"
    return ". ".join(said) + "."


def _asks(engagement: Engagement) -> bool:
    """Whether a run of it waits for a second person's word."""
    waiting = engagement.approvals.filter(state=Approval.State.WAITING)
    return waiting.exists()


def sentence(engagement: Engagement) -> str:
    """The schedule as a sentence without its full stop."""
    start, end = engagement.starts_at, engagement.ends_at
    begin = "as soon as it is activated"
    if start is not None:
        begin = f"on {_date(engagement, start)}"
    if engagement.repeat == Repeat.ONCE:
        return f"Once, {begin}{_own(engagement)}"
    ending = f", until {_date(engagement, end)}" if end else ""
    return f"{_repeat(engagement)}, starting {begin}{ending}{_own(engagement)}"


def _repeat(engagement: Engagement) -> str:
    match engagement.repeat:
        case Repeat.WEEKDAYS:
            if engagement.weekdays == WORKDAYS:
                return "From Monday to Friday"
            return f"Every {_listed([DAYS[day] for day in engagement.weekdays])}"
        case Repeat.MONTHLY if engagement.month_day == LAST_DAY:
            return "Every month on its last day"
        case Repeat.MONTHLY if engagement.month_day:
            return f"Every month on day {engagement.month_day}"
        case Repeat.CRON:
            return f"By the cron expression “{engagement.cron}”"
    return str(engagement.get_repeat_display())


def _own(engagement: Engagement) -> str:
    if not own_zone.is_own(engagement):
        return ""
    return f", in each person’s own zone (“{engagement.zone_attribute}”)"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _date(engagement: Engagement, at: datetime) -> str:
    local = years.local(at, ZoneInfo(engagement.time_zone))
    return f"{local:%-d %B %Y at %H:%M} ({engagement.time_zone})"


def _moment(engagement: Engagement, slot: Slot) -> str:
    if own_zone.is_own(engagement):
        return f"{slot.reading:%-d %B %Y at %H:%M} in each person’s own zone"
    return _date(engagement, slot.at)


# --- The next times -------------------------------------------------------------------


def next_times(engagement: Engagement, now: datetime) -> list[Time]:
    """The next five, or as many as there are; of one at rest, were it activated now."""
    viewer = timezone.get_current_timezone()
    times = [_time(engagement, slot, viewer) for slot in _slots(engagement, now)]
    if making.due_if_activated(engagement, now):
        times.insert(0, Time(at=now, here=_at_once(engagement), elsewhere=""))
    return times[:NEXT]


def _slots(engagement: Engagement, now: datetime) -> Iterable[Slot]:
    return islice(making.coming(engagement, now), NEXT)


def _at_once(engagement: Engagement) -> str:
    if own_zone.is_own(engagement):
        return "At once, or as soon as the time comes where each person is"
    return "At once"


def taken_in_by_day(engagement: Engagement, now: datetime) -> str:
    """When its next run takes in people who change when a day begins somewhere.

    In each person's own zone that is long before their time, and may be the day before;
    "" where all are sent at one moment, or its people go by no day.
    """
    if not own_zone.is_own(engagement):
        return ""
    zones = refresh.day_zones(engagement.segment)
    slot = next(making.coming(engagement, now), None)
    if slot is None or not zones:
        return ""
    return _listed([_short(slot.at, ZoneInfo(zone)) for zone in sorted(zones)])


def _time(engagement: Engagement, slot: Slot, viewer: tzinfo) -> Time:
    if own_zone.is_own(engagement):
        last = own_zone.last_at(engagement, slot)
        return Time(
            at=slot.at,
            here=f"{slot.reading:%a %-d %b %Y, %H:%M} where each person is",
            elsewhere=f"from {_short(slot.at, viewer)} to {_short(last, viewer)}",
        )
    here = _short(slot.at, ZoneInfo(engagement.time_zone))
    there = _short(slot.at, viewer)
    return Time(at=slot.at, here=here, elsewhere=there if there != here else "")


def _short(at: datetime, zone: tzinfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%a %-d %b %Y, %H:%M} {local.tzname()}"


def weekday_choices() -> Iterable[tuple[int, str]]:
    return list(enumerate(DAYS))
