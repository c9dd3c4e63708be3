"""What people did."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now

from segments.models import stored
from segments.models.people import Profile
from segments.models.sources import Source


class Event(models.Model):
    """Something that a person did at a time.

    Written by COPY, and each index is paid for by every event: there are no foreign
    keys in the database, nor is a message ID unique here (Seen is who knows it). Who
    deletes a person deletes their events (segments.retention).
    """

    source = models.ForeignKey(
        Source,
        models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    message_id = models.CharField(max_length=255)
    profile = models.ForeignKey(
        Profile,
        models.DO_NOTHING,
        related_name="events",
        verbose_name="person",
        db_constraint=False,
        db_index=False,
    )
    name = models.CharField(max_length=255)
    time = models.DateTimeField()
    properties = models.JSONField(
        default=dict, encoder=DjangoJSONEncoder, decoder=stored.Decoder
    )
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    # The identifier whose own it is, where that is not the person's external ID: with it
    # the event goes, should the identifier turn out to be somebody else's.
    via_id = models.BigIntegerField(null=True, editable=False)

    class Meta:
        indexes = [
            # Rules: "did X at least n times within d days", over everybody. Those of one
            # time are in order of people: in that of their coming, pages stay half empty.
            models.Index(fields=["name", "time", "profile"], name="event_name_time"),
            # The same for one person after an event, and a person's activity.
            models.Index(
                fields=["profile", "name", "-time"], name="event_profile_name"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.time:%Y-%m-%d %H:%M:%S %Z}"
