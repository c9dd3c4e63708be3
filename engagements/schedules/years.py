"""The years of a start and an end, also of one that was saved before there were limits."""

from datetime import UTC, datetime, tzinfo

from engagements.models import Engagement

# Of what is typed. Beyond them the clocks of some zone, or a later slot, have no time.
TYPED = range(1970, 3000)
CHOOSE = f"Choose a time between the years {TYPED[0]} and {TYPED[-1]}."
# From a stored start in these nothing fails, so that it is counted from as ever.
COUNTED = range(2, TYPED.stop)


def problem(engagement: Engagement) -> str:
    """Why nothing runs, and what to do: its start is in no year that is counted from."""
    start = engagement.starts_at
    if start is None or start.year in COUNTED:
        return ""
    return (
        f"No run comes, because the start is in the year {start.year}. Choose one between"
        f" the years {TYPED[0]} and {TYPED[-1]}; what is active is paused first."
    )


def end(engagement: Engagement) -> datetime | None:
    """The end as it is counted with; None where there is none, or none in our time."""
    at = engagement.ends_at
    if at is None or at.year >= COUNTED.stop:
        return None
    return max(at, datetime(COUNTED.start, 1, 1, tzinfo=UTC))


def local(at: datetime, zone: tzinfo) -> datetime:
    """The time in the zone; in UTC where its clocks show no such year."""
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at.astimezone(UTC)
