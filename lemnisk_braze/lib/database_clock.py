"""The one clock: the database's.

A machine's own clock may be hours off, and is never read for a decision. Where SQL does
the comparing, it asks clock_timestamp() itself.
"""

import time
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models

# What the database said last, and when that was by the clock that nobody sets.
_said: tuple[datetime, float] | None = None


def now() -> datetime:
    """Ask the database what time it is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        at: datetime = cursor.fetchone()[0]
    heard(at)
    return at


def heard(at: datetime) -> None:
    """Keep what the database has just said the time is, for reckoned()."""
    global _said
    _said = (at, time.monotonic())


def reckoned() -> datetime:
    """Its time as far as this process can tell without asking: for who has no session.

    A worker hears it every two seconds (engagements.outbox.workers). A process that never
    heard it asks.
    """
    if _said is None:
        return now()
    at, heard_at = _said
    return at + timedelta(seconds=time.monotonic() - heard_at)


class ClockTime(models.Func):
    """The same in a query that is asked anyway; not that of its transaction's begin."""

    function = "clock_timestamp"
    output_field = models.DateTimeField()


class CreatedAtField(models.DateTimeField):  # type: ignore[type-arg]
    """When a row was made, by the database's clock: Django's auto_now_add without ours."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "auto_now_add": True})

    def deconstruct(self) -> Any:
        # The column is what it was.
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs

    def pre_save(self, model_instance: models.Model, add: bool) -> datetime:
        if add:
            setattr(model_instance, self.attname, now())
        at: datetime = getattr(model_instance, self.attname)
        return at


class ChangedAtField(models.DateTimeField):  # type: ignore[type-arg]
    """When a row was saved last, by the database's clock: Django's auto_now without ours."""

    def pre_save(self, model_instance: models.Model, add: bool) -> datetime:
        at = now()
        setattr(model_instance, self.attname, at)
        return at
