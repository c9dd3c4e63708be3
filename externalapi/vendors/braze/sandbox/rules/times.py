"""Reading times the way Braze does (event_object; user_attributes_object)."""

import re
from datetime import UTC, date, datetime

# ISO 8601 with a space before the zone (as in recorded requests), and Braze's own
# pattern yyyy-MM-dd'T'HH:mm:ss:SSSZ, with a colon before the milliseconds.
_OTHER = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[T ](?P<clock>\d\d:\d\d:\d\d)"
    r"(?:[:.](?P<fraction>\d{1,6}))? ?(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
_MORE_ATTRIBUTE_FORMATS = ("%m/%d/%Y", "%a %m %d %H:%M:%S.%z %Y")


def parse_time(text: object) -> datetime | None:
    """The moment an event or purchase names, or None; without a zone it is UTC."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _parse_other(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_attribute_date(text: object) -> datetime | None:
    """As `parse_time`, with the further formats that attributes may use."""
    moment = parse_time(text)
    if moment is not None or not isinstance(text, str):
        return moment
    for form in _MORE_ATTRIBUTE_FORMATS:
        try:
            moment = datetime.strptime(text, form)
        except ValueError:
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def is_birthday(text: object) -> bool:
    """Whether the text is a day of the calendar written YYYY-MM-DD."""
    if not isinstance(text, str) or len(text) != 10:
        return False
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def as_text(moment: datetime) -> str:
    """UTC with milliseconds, as Braze's export writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _parse_other(text: str) -> datetime | None:
    match = _OTHER.fullmatch(text)
    if match is None:
        return None
    fraction = (match["fraction"] or "0").ljust(6, "0")
    zone = match["zone"] or "Z"
    try:
        return datetime.fromisoformat(
            f"{match['day']}T{match['clock']}.{fraction}{zone}"
        )
    except ValueError:
        return None
