"""How often somebody may be sent: the caps, and what they count."""

from datetime import datetime, timedelta
from zlib import crc32
from zoneinfo import ZoneInfo

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.urls import reverse

from engagements.models.engagement import Engagement
from externalapi.models import ExternalAPI
from segments.models import Profile, Segment


class FrequencyCap(models.Model):
    """At most so many a person in a time, of what its scope covers.

    The scope: all Engagements, those of a segment, or one, through a channel of External
    APIs or through any. What counts is what was sent, or may have been, and what is on
    its way. The last `kept` of `most` are for Engagements that go first (has_priority).
    """

    MOST = 1_000
    LONGEST = 31

    class Period(models.TextChoices):
        DAY = "day", "days"
        WEEK = "week", "weeks"
        MONTH = "month", "months"

    class Window(models.TextChoices):
        ROLLING = "rolling", "Back from now, hour by hour (a month is 30 days)"
        CALENDAR = "calendar", "Of the calendar (a week begins on Monday)"

    name = models.CharField(max_length=255, unique=True)
    is_active = models.BooleanField("in force", default=True)
    channel = models.CharField(
        max_length=32,
        choices=ExternalAPI.Channel,
        blank=True,
        help_text="Of External APIs. Empty: whatever the channel.",
    )
    segment = models.ForeignKey(
        Segment,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="Engagements of this segment only. Empty: of every segment.",
    )
    engagement = models.ForeignKey(
        Engagement,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="caps",
        help_text="This one only. Empty: all together.",
    )
    most = models.PositiveSmallIntegerField(
        "at most",
        validators=[MinValueValidator(1), MaxValueValidator(MOST)],
        help_text="To one person.",
    )
    every = models.PositiveSmallIntegerField(
        "in",
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST)],
    )
    period = models.CharField(max_length=8, choices=Period, default=Period.DAY)
    window = models.CharField(
        "counted", max_length=8, choices=Window, default=Window.ROLLING
    )
    zone_attribute = models.CharField(
        "time zone from the attribute",
        max_length=255,
        blank=True,
        help_text="Such as Europe/Berlin. Who has none is in the time zone below.",
    )
    time_zone = models.CharField(max_length=64, default="UTC")
    kept = models.PositiveSmallIntegerField(
        "kept for priority",
        default=0,
        help_text="So many of them are for Engagements that go first.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=Q(kept__lt=F("most")), name="cap_keeps_less_than_all"
            ),
            models.CheckConstraint(
                condition=Q(segment=None) | Q(engagement=None),
                name="cap_is_of_a_segment_or_an_engagement",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:engagements_frequencycap_change", args=[self.pk])

    @property
    def in_words(self) -> str:
        """As in "at most 2 in 7 days"."""
        unit = self.period if self.every == 1 else self.get_period_display()
        within = f"a {unit}" if self.every == 1 else f"in {self.every} {unit}"
        is_calendar = self.window == self.Window.CALENDAR
        return f"at most {self.most:,} {within}{' of the calendar' * is_calendar}"

    @property
    def is_by_own_zone(self) -> bool:
        """Whether it counts by each person's own clock."""
        return self.window == self.Window.CALENDAR and bool(self.zone_attribute)

    def begins(self, now: datetime, zone: ZoneInfo) -> datetime:
        """Since when what was sent counts, at a moment and for somebody in a zone."""
        if self.window == self.Window.ROLLING:
            return now - self.every * _ROLLING[self.Period(self.period)]
        day = now.astimezone(zone).replace(tzinfo=None)
        day = day.replace(hour=0, minute=0, second=0, microsecond=0)
        match self.period:
            case self.Period.DAY:
                first = day - timedelta(days=self.every - 1)
            case self.Period.WEEK:
                first = day - timedelta(days=day.weekday() + 7 * (self.every - 1))
            case _:
                months = 12 * day.year + day.month - 1 - (self.every - 1)
                first = day.replace(year=months // 12, month=months % 12 + 1, day=1)
        return first.replace(tzinfo=zone)

    @property
    def reach(self) -> timedelta:
        """What it counts is never further back, wherever somebody is."""
        days = {self.Period.DAY: 1, self.Period.WEEK: 7, self.Period.MONTH: 31}
        return timedelta(days=self.every * days[self.Period(self.period)] + 2)


_ROLLING = {
    FrequencyCap.Period.DAY: timedelta(days=1),
    FrequencyCap.Period.WEEK: timedelta(days=7),
    FrequencyCap.Period.MONTH: timedelta(days=30),
}


def channel_number(channel: str) -> int:
    """What stands for a channel in `SentLately.sends`; 0 for none."""
    return crc32(channel.encode())


class SentLately(models.Model):
    """What somebody was sent lately, or is being sent: what frequency caps count.

    `sends`, of each: when (milliseconds since 1970), the engagement, its segment, the
    channel's number, and which delivery: the run and the entry. Under the row's lock
    there is room under a cap, or there is none (engagements.guards.caps).
    """

    # How many numbers each has.
    WIDTH = 6

    profile = models.OneToOneField(
        Profile,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="+",
        db_constraint=False,
    )
    sends = ArrayField(
        ArrayField(models.BigIntegerField(), size=WIDTH), default=list, db_default=[]
    )
    # Of the last of them: when it may go (retention).
    last_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["last_at"], name="sent_lately_last")]

    def __str__(self) -> str:
        return f"{self.profile_id}"
