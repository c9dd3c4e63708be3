"""What is set up for all engagements: who is not sent, and through which channels."""

import secrets

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from externalapi.models import ExternalAPI
from segments.models import Profile, Segment

Channel = ExternalAPI.Channel


def channels_in_words(channels: list[str]) -> str:
    """The channels by name; none are all of them."""
    if not channels:
        return "Every channel"
    return ", ".join(str(Channel(one).label) for one in sorted(channels))


class Suppression(models.Model):
    """Somebody who is never sent anything through these channels, or through any.

    A person (`profile`), whatever they are called; or an identifier (`kind` and `value`
    as identifiers are kept), whoever has it now or later. A channel is that of an
    External API; none are all.
    """

    PERSON = "person"

    # Of Identifier.Kind, or a name of the customer's own; PERSON has a profile.
    kind = models.CharField(max_length=64)
    value = models.CharField(max_length=987, blank=True, db_default="")
    profile = models.ForeignKey(
        Profile, on_delete=models.CASCADE, null=True, related_name="+"
    )
    channels = ArrayField(models.CharField(max_length=32), default=list, db_default=[])
    reason = models.CharField("why", max_length=255, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name="added by",
    )
    created_at = models.DateTimeField("added", db_default=Now(), editable=False)

    class Meta:
        verbose_name = "entry of the suppression list"
        verbose_name_plural = "suppression list"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "value"],
                name="identifier_is_suppressed_once",
                condition=~Q(kind="person"),
            ),
            models.UniqueConstraint(
                fields=["profile"],
                name="person_is_suppressed_once",
                condition=Q(kind="person"),
            ),
        ]

    def __str__(self) -> str:
        # Nobody's name: it stands where it is not asked who looks.
        return f"Entry {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("admin:engagements_suppression_change", args=[self.pk])


class SuppressedChannels(models.Model):
    """The channels that a suppression segment is for; without a row it is for all."""

    segment = models.OneToOneField(
        Segment, on_delete=models.CASCADE, related_name="+", primary_key=True
    )
    channels = ArrayField(models.CharField(max_length=32))

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return channels_in_words(self.channels)


class ConsentRule(models.Model):
    """What people must have said before anything goes to them through a channel.

    The attribute has one of the `values`, or is a list that has one; who has no value
    has not said yes.
    """

    channel = models.CharField(max_length=32, choices=Channel, unique=True)
    attribute = models.CharField(max_length=255)
    # As text: true, yes, 1.
    values = ArrayField(models.CharField(max_length=255), verbose_name="means yes")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {self.attribute}"


def _draw() -> str:
    return secrets.token_hex(8)


class GlobalHoldout(models.Model):
    """The share of all people who are sent nothing; one row, or none."""

    # In percent, from 0 to 100.
    share = models.FloatField(default=0)
    # Another one draws others.
    salt = models.CharField(max_length=64, default=_draw)
    drawn_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.share:g} %"
