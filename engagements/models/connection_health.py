"""What all workers share about a connection."""

from datetime import datetime

from django.db import models
from django.db.models.functions import Now

from externalapi.models import Connection


class Destination(models.Model):
    """What all workers share about a connection: its budget, and when it is closed."""

    connection = models.OneToOneField(
        Connection, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    # A full bucket until the first request; PostgreSQL's infinity is not Python's.
    tokens = models.FloatField(db_default=1_000_000_000)
    refilled_at = models.DateTimeField(db_default=Now())
    hour_started_at = models.DateTimeField(db_default=Now())
    hour_used = models.PositiveIntegerField(default=0, db_default=0)
    # How many more requests the other side takes until its window ends, as it says.
    left = models.PositiveIntegerField(null=True)
    left_until = models.DateTimeField(null=True)
    # The claim passes it by until then: a rate limit, an open breaker, or a probe.
    blocked_until = models.DateTimeField(null=True)
    # Its circuit breaker (throttling.circuit_breaker).
    failures_in_a_row = models.PositiveIntegerField(default=0, db_default=0)
    window_started_at = models.DateTimeField(null=True)
    window_attempts = models.PositiveIntegerField(default=0, db_default=0)
    window_failures = models.PositiveIntegerField(default=0, db_default=0)
    times_opened = models.PositiveIntegerField(default=0, db_default=0)
    # Its last answer was no success: one request goes first.
    is_wary = models.BooleanField(default=False, db_default=False)
    probing_until = models.DateTimeField(null=True)
    # Since when there was no success; to within some seconds, when the last one was.
    failing_since = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    last_problem = models.TextField(blank=True, db_default="")
    last_problem_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Budget of {self.connection}"

    def is_open_at(self, now: datetime) -> bool:
        """Whether the circuit breaker keeps everybody away."""
        blocked = self.blocked_until
        return bool(self.times_opened) and blocked is not None and blocked > now

    def is_probed_at(self, now: datetime) -> bool:
        """Whether a few requests are on their way to find out how it does."""
        return self.probing_until is not None and self.probing_until > now
