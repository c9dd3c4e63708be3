"""Up to where rows came in, so that a query asks for what is new: as SQL, and as found.

Rows of the watermark's own value are asked for again, since more of them may have come
meanwhile, and so is `look_back` before it, for what was stamped early and committed
late. What comes again says nothing new: a row's watermark, where it is a time, is the
time of what it says. Rows without a watermark come each time.

(P) Who is deleted in the database stays here: no row says so. A column that says it can
be an attribute.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

TIME, LOCAL_TIME, DAY, NUMBER, TEXT = (
    "timestamptz",
    "timestamp",
    "date",
    "number",
    "text",
)
# [one of these, as a text]
Watermark = list[str]


def of(value: Any) -> Watermark | None:
    """A value as a watermark; None for what can be none."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return [LOCAL_TIME, value.isoformat()]
        return [TIME, value.astimezone(UTC).isoformat()]
    if isinstance(value, date):
        return [DAY, value.isoformat()]
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return [NUMBER, str(value)]
    return [TEXT, value] if isinstance(value, str) else None


def largest(values: Iterable[Any]) -> Any:
    """The largest that is there, or None."""
    return max((value for value in values if value is not None), default=None)


def statement(
    query: str, column: str, watermark: Watermark | None, look_back: int
) -> str:
    """The query, for what is new since the watermark.

    In one statement, whose parts are values and a name that are quoted; with a bound
    parameter ADBC would read everything at once.
    """
    inner = query.strip().rstrip(";").rstrip()
    # A comment at the end of the query ends with the line.
    whole = f"SELECT * FROM (\n{inner}\n) AS lb_rows"
    if not column or watermark is None:
        return whole
    name = '"' + column.replace('"', '""') + '"'
    since = _literal(watermark, look_back)
    return f"{whole} WHERE lb_rows.{name} >= {since} OR lb_rows.{name} IS NULL"


def _literal(watermark: Watermark, look_back: int) -> str:
    type, text = watermark
    if type == NUMBER:
        return str(Decimal(text) - look_back)
    if type in (TIME, LOCAL_TIME):
        # With its zone in it: no session's decides.
        at = datetime.fromisoformat(text) - timedelta(seconds=look_back)
        return f"{'TIMESTAMPTZ' if type == TIME else 'TIMESTAMP'} '{at.isoformat()}'"
    if type == DAY:
        day = date.fromisoformat(text) - timedelta(days=-(-look_back // 86_400))
        return f"DATE '{day.isoformat()}'"
    return "'" + text.replace("'", "''") + "'"
