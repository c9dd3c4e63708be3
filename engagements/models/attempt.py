"""One request on the wire, and what came of it."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from externalapi.models import ExternalAPIVersion


class Attempt(models.Model):
    """One request on the wire, written before the first byte leaves."""

    class Outcome(models.TextChoices):
        UNFINISHED = "unfinished", "No answer yet"
        SENT = "sent", "Accepted"
        ACCEPTED_UNVERIFIED = "accepted_unverified", "Accepted, answer unreadable"
        NOT_SENT = "not_sent", "Not taken"
        RATE_LIMITED = "rate_limited", "Rate limited"
        REFUSED = "refused", "Refused"
        BLOCKED = "blocked", "Stopped by an error"
        AMBIGUOUS = "ambiguous", "Ambiguous"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # No index of its own: the one below begins with it.
    batch = models.ForeignKey(
        "Batch", on_delete=models.CASCADE, related_name="attempts", db_index=False
    )
    version = models.ForeignKey(
        ExternalAPIVersion, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    key_version = models.PositiveIntegerField()
    worker = models.CharField(max_length=255)
    # The batch's places that this request left out.
    left_out = ArrayField(models.SmallIntegerField(), default=list, db_default=[])
    item_count = models.PositiveIntegerField()
    request_sha256 = models.CharField(max_length=64)
    outcome = models.CharField(
        max_length=24, choices=Outcome, default=Outcome.UNFINISHED
    )
    status = models.PositiveIntegerField(null=True)
    message = models.TextField(blank=True, db_default="")
    # What is odd about a success (externalapi.answers.notes).
    note = models.TextField(blank=True, db_default="")
    # At most 2 KB, the key masked.
    response_head = models.TextField(blank=True, db_default="")
    started_at = models.DateTimeField(db_default=Now())
    duration_ms = models.PositiveIntegerField(null=True)

    class Meta:
        indexes = [
            # "What was tried for this batch, in order?"
            models.Index(fields=["batch", "started_at"], name="attempt_of_batch"),
            # The rates of the operations page, and the list, newest first.
            models.Index(fields=["started_at"], name="attempt_by_time"),
            # "How many of these requests were taken with something odd about it?"
            models.Index(
                fields=["batch"], name="attempt_with_note", condition=~Q(note="")
            ),
            # "Whose answer is too old to be kept?"
            models.Index(
                fields=["started_at"],
                name="attempt_with_response",
                condition=~Q(response_head=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.status or ''}".strip()
