"""What was accepted and is to be applied, and what is known of all that was."""

from typing import Any

import orjson
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from segments.models.sources import Source


class InboxRequest(models.Model):
    """What one request brought: messages that were accepted and wait to be applied.

    `body` is a JSON list of [message ID, kind, payload], in order of arrival; the first
    `done` of them are applied. When all are, the row is deleted in the transaction that
    writes what they say. `note`: why the oldest still waits.
    """

    source = models.ForeignKey(
        Source, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # Not compressed: it is read once, and soon (the migration says so).
    body = models.BinaryField()
    count = models.PositiveIntegerField()
    # Of a file's rows: the import's.
    import_id = models.BigIntegerField(null=True, editable=False)
    done = models.PositiveIntegerField(db_default=0, editable=False)
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    note = models.TextField(blank=True, db_default="", editable=False)

    def __str__(self) -> str:
        return f"Request {self.pk}"

    @property
    def waiting(self) -> list[list[Any]]:
        """The messages that are not applied yet; raises ValueError for a broken body."""
        messages: list[list[Any]] = orjson.loads(bytes(self.body))
        return messages[self.done or 0 :]


class Seen(models.Model):
    """That a message came, by hashes: the same one is applied once.

    `key` is a keyed hash of source and message ID, 64 bits; two messages of one key are
    refused and kept like one that says something else under the same ID: in ten million,
    there are two by a chance of three in a million. `digest` is a hash of what it says,
    32 bits: of those others one in four billion passes for the same again.
    """

    key = models.BigIntegerField(primary_key=True)
    digest = models.IntegerField()
    # When it was applied, in UTC: for retention.
    day = models.DateField()

    class Meta:
        indexes = [
            # Rows stand in order of it; the index has a line for a megabyte of them.
            BrinIndex(fields=["day"], name="seen_day", autosummarize=True)
        ]

    def __str__(self) -> str:
        return str(self.key)


class IntakeMinute(models.Model):
    """How many of a source's messages were applied in a minute, and how many refused."""

    pk = models.CompositePrimaryKey("minute", "source_id")
    minute = models.DateTimeField()
    source = models.ForeignKey(
        Source,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    applied = models.PositiveIntegerField()
    refused = models.PositiveIntegerField()
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.applied} at {self.minute:%Y-%m-%d %H:%M %Z}"


class LatestMessages(models.Model):
    """A source's last messages that were applied, oldest first; the row came with the first.

    Each is a JSON object as text: type, messageId, receivedAt, and what it says. They go
    with the first person who is erased, and after RETENTION_REFUSED.
    """

    source = models.OneToOneField(
        Source, on_delete=models.CASCADE, primary_key=True, related_name="latest"
    )
    messages = ArrayField(models.TextField(), default=list)
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{len(self.messages)} until {self.last_at:%Y-%m-%d %H:%M:%S %Z}"


class InboxMessage(models.Model):
    """A message in the inbox of version 0.1.0.

    A web process of that version may still add some: the tick moves them to
    InboxRequest. The table goes with the next version.
    """

    class Kind(models.TextChoices):
        IDENTIFY = "identify"
        TRACK = "track"

    source = models.ForeignKey(
        Source, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    message_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=16, choices=Kind)
    payload = models.JSONField()
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    applied_at = models.DateTimeField(null=True, editable=False)
    error = models.TextField(blank=True, db_default="", editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "message_id"], name="inbox_message_is_kept_once"
            )
        ]
        indexes = [
            # The worker's "what is not applied yet, oldest first".
            models.Index(
                fields=["id"], name="inbox_pending", condition=Q(applied_at=None)
            ),
            # "How many were refused lately?"
            models.Index(
                fields=["applied_at"], name="inbox_refused", condition=~Q(error="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.message_id}"
