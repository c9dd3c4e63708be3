"""What was accepted and is to be applied."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from segments.models.sources import Source


class InboxMessage(models.Model):
    """A message that the tracking API accepted and a worker applies in sets."""

    class Kind(models.TextChoices):
        IDENTIFY = "identify"
        TRACK = "track"

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+")
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
