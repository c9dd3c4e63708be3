"""Which people get what through which External API, and what became of each."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from externalapi.models import ExternalAPIVersion
from lemnisk_braze.lib.database_clock import ChangedAtField, CreatedAtField
from segments.models import Segment


class Engagement(models.Model):
    """A segment's people × an External API × the values of its parameters."""

    class Trigger(models.TextChoices):
        ON_ENTRY = "on_entry", "As soon as someone enters the segment"
        EACH_EVENT = "each_event", "On each qualifying event"
        ON_EXIT = "on_exit", "As soon as someone leaves the segment"
        SCHEDULE = "schedule", "On a schedule"

    class Repeat(models.TextChoices):
        ONCE = "once", "Once"
        HOURLY = "hourly", "Every hour"
        DAILY = "daily", "Every day"
        WEEKDAYS = "weekdays", "On chosen weekdays"
        WEEKLY = "weekly", "Every week"
        MONTHLY = "monthly", "Every month"
        CRON = "cron", "By a cron expression"

    class Again(models.TextChoices):
        USUAL = (
            "usual",
            "Once a person; for each event, and on a schedule that repeats, every time",
        )
        ONCE = "once", "Once a person"
        AFTER_DAYS = "after_days", "Again after a number of days"
        ALWAYS = "always", "Every time"

    class DelayUnit(models.TextChoices):
        MINUTES = "minutes", "minutes"
        HOURS = "hours", "hours"
        DAYS = "days", "days"

    class LimitPer(models.TextChoices):
        HOUR = "hour", "an hour"
        DAY = "day", "a day (24 hours)"

    class SyncMode(models.TextChoices):
        EVERYONE = "everyone", "Everyone"
        NEW = "new", "Only the new"
        CHANGED = "changed", "Only the changed"

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        BLOCKED = "blocked", "Stopped by an error"
        ENDED = "ended", "Ended"

    # Neither at work nor waiting to be resumed.
    AT_REST = (State.DRAFT, State.ENDED)

    class AmbiguousPolicy(models.TextChoices):
        RESEND = "resend", "Send again (best for plain attributes)"
        PARK = "park", "Hold for a decision (best for events and purchases)"

    class Quiet(models.TextChoices):
        LATER = "later", "Is sent when they are over"
        SKIP = "skip", "Is skipped"

    name = models.CharField(max_length=255, unique=True)
    description = models.TextField(blank=True)
    segment = models.ForeignKey(
        Segment, on_delete=models.PROTECT, related_name="engagements"
    )
    # The version whose parameters were configured; editing the API does not move it.
    version = models.ForeignKey(
        ExternalAPIVersion,
        on_delete=models.PROTECT,
        related_name="engagements",
        verbose_name="configuration",
    )
    # Parameter name → personalization variable or constant, as typed.
    values = models.JSONField(default=dict, blank=True)
    # Other values for some of the people, and the winner (engagements.variants.plan);
    # who chose it, and when.
    variants = models.JSONField(default=dict, db_default={}, editable=False)
    winner_at = models.DateTimeField(null=True, editable=False)
    winner_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    trigger = models.CharField(max_length=16, choices=Trigger, default=Trigger.ON_ENTRY)
    includes_present = models.BooleanField(
        "also send to people already in the segment",
        default=False,
        help_text="They are sent when you activate; later entries follow at once.",
    )
    # From the line of the log that it is about: who left by then is not taken in, where
    # `skips_who_left` says so.
    delay = models.PositiveIntegerField(
        "wait before sending",
        null=True,
        blank=True,
        help_text="Empty: they are sent at once.",
    )
    delay_unit = models.CharField(
        max_length=8,
        choices=DelayUnit,
        default=DelayUnit.MINUTES,
        db_default=DelayUnit.MINUTES,
    )
    # Of each event: so many of a person are taken in in any hour, or 24 hours.
    most_events = models.PositiveIntegerField(
        "at most so many events of a person",
        null=True,
        blank=True,
        help_text="Empty: all of them. Counted is what was taken in to be sent. "
        "What is more is skipped, and the report says so.",
    )
    most_events_per = models.CharField(
        max_length=8,
        choices=LimitPer,
        default=LimitPer.HOUR,
        db_default=LimitPer.HOUR,
    )
    starts_at = models.DateTimeField(
        null=True, blank=True, help_text="Empty: as soon as you activate."
    )
    repeat = models.CharField(max_length=16, choices=Repeat, default=Repeat.ONCE)
    # Where it repeats on chosen weekdays: from Monday, 0.
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(), default=list, db_default=[], blank=True
    )
    # Where it repeats every month; 31 is the last day of each.
    month_day = models.PositiveSmallIntegerField(
        "day of the month", null=True, blank=True
    )
    cron = models.CharField(
        "cron expression", max_length=100, blank=True, default="", db_default=""
    )
    ends_at = models.DateTimeField(
        "ends",
        null=True,
        blank=True,
        help_text="Nothing begins after that, and the Engagement ends by itself. "
        "Empty: until somebody ends it.",
    )
    time_zone = models.CharField(max_length=64, default="UTC")
    # Whose value is each person's own zone; "" where the time is `time_zone`'s for all.
    # With one, `time_zone` is for those whose zone is not known.
    zone_attribute = models.CharField(
        max_length=255, blank=True, default="", db_default=""
    )
    # When it was last changed when it runs: a slot from before is nobody's.
    schedule_set_at = models.DateTimeField(null=True, editable=False)
    again = models.CharField(
        "the same person is sent",
        max_length=16,
        choices=Again,
        default=Again.USUAL,
        db_default=Again.USUAL,
        help_text="What counts is what was sent, or waits to be, and not how often "
        "somebody entered the segment.",
    )
    again_after_days = models.PositiveIntegerField(
        "days in between",
        null=True,
        blank=True,
        help_text="Days of the calendar: 1 is at most once a day.",
    )
    skips_who_left = models.BooleanField(
        "who leaves the segment while waiting",
        default=True,
        db_default=True,
        help_text="Looked at once more when the request is written.",
    )
    # Whoever is in one of them when a request is written is not sent.
    excluded_segments = models.ManyToManyField(
        Segment,
        through="ExcludedSegment",
        blank=True,
        related_name="+",
        verbose_name="but nobody who is in",
    )
    # In percent of the people; engagements.guards.holdout.
    holdout_share = models.FloatField("holdout, in percent", default=0, db_default=0)
    heeds_global_holdout = models.BooleanField(
        "the holdout of all Engagements", default=True, db_default=True
    )
    quiet_from = models.TimeField("quiet from", null=True, blank=True)
    quiet_to = models.TimeField("until", null=True, blank=True)
    # Whose value is each person's own zone; and the zone of who has none.
    quiet_zone_attribute = models.CharField(
        "attribute with their time zone",
        max_length=255,
        blank=True,
        default="",
        db_default="",
    )
    quiet_time_zone = models.CharField(
        "time zone of the others", max_length=64, default="UTC", db_default="UTC"
    )
    quiet_action = models.CharField(
        "who would be sent in quiet hours",
        max_length=8,
        choices=Quiet,
        default=Quiet.LATER,
        db_default=Quiet.LATER,
    )
    heeds_caps = models.BooleanField("frequency caps", default=True, db_default=True)
    # The last room under a cap may be kept for those that go first.
    has_priority = models.BooleanField("goes first", default=False, db_default=False)
    ceiling = models.PositiveIntegerField(
        "stop and ask above",
        null=True,
        blank=True,
        help_text="People a run. Empty: no ceiling.",
    )
    # Besides the number of all Engagements (ApprovalLimit): the lower one counts.
    approval_above = models.PositiveIntegerField(
        "a second person approves above",
        null=True,
        blank=True,
        help_text="People a run. Empty: as is set for all Engagements.",
    )
    # Which of them (engagements.sync): compared is what Braze last accepted.
    sync_mode = models.CharField(
        "of the segment’s people",
        max_length=16,
        choices=SyncMode,
        default=SyncMode.EVERYONE,
        db_default=SyncMode.EVERYONE,
    )
    sends_deltas = models.BooleanField(
        "only attributes that changed", default=False, db_default=False
    )
    clears_who_left = models.BooleanField(
        "clear the attributes of who has left", default=False, db_default=False
    )
    # With each full resync another one: what is known of people before it is forgotten.
    sync_epoch = models.SmallIntegerField(default=0, db_default=0, editable=False)
    ambiguous_policy = models.CharField(
        "when an answer is lost",
        max_length=16,
        choices=AmbiguousPolicy,
        default=AmbiguousPolicy.PARK,
        help_text="What to do when nobody can know whether a request was taken.",
    )
    state = models.CharField(
        max_length=16, choices=State, default=State.DRAFT, editable=False
    )
    # Why the engine stopped it: it is blocked, or paused by itself. Of one that is
    # active or ended: that its last run mostly failed.
    blocked_reason = models.TextField(blank=True, editable=False)
    # The version of the key that was refused: with a newer one it goes on by itself.
    blocked_key_version = models.PositiveIntegerField(null=True, editable=False)
    # The other side's last refusal of everybody in a request, how often it came in a
    # row, and since when (engagements.delivery.suspension).
    refusal = models.TextField(blank=True, db_default="", editable=False)
    refusals = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    refused_since = models.DateTimeField(null=True, editable=False)
    # Its owner is still to be told that it was stopped.
    is_notice_due = models.BooleanField(default=False, db_default=False, editable=False)
    # Ids of the users who have changed what it sends since that was approved last; they
    # do not approve it (engagements.guards.approved).
    changed_by = ArrayField(
        models.IntegerField(), default=list, db_default=[], editable=False
    )
    # Paused by “Pause all”, which “Resume all” takes back; any other move forgets it.
    is_held = models.BooleanField(default=False, editable=False)
    activated_at = models.DateTimeField(null=True, editable=False)
    # Since it was activated, or resumed after it had stopped.
    active_since = models.DateTimeField(null=True, editable=False)
    created_at = CreatedAtField()
    updated_at = ChangedAtField(editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )

    class Meta:
        permissions = [
            ("activate_engagement", "Can activate an engagement"),
            ("pause_engagement", "Can pause and resume an engagement"),
            ("resend_engagement", "Can decide about uncertain deliveries"),
            ("operate_delivery", "Can see and operate delivery as a whole"),
        ]
        indexes = [
            # The tick's and the worker's "which engagements are at work".
            models.Index(
                fields=["trigger"],
                name="engagement_active",
                condition=Q(state="active"),
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:engagements_engagement_change", args=[self.pk])

    @property
    def sent_again(self) -> "Again":
        """When the same person is sent again; never "as usual"."""
        if self.again != self.Again.USUAL:
            return self.Again(self.again)
        is_schedule = self.trigger == self.Trigger.SCHEDULE
        repeats = is_schedule and self.repeat != self.Repeat.ONCE
        is_each = self.trigger == self.Trigger.EACH_EVENT
        return self.Again.ALWAYS if repeats or is_each else self.Again.ONCE

    @property
    def listens(self) -> bool:
        """Whether a standing run takes in what the segment's log says."""
        return self.trigger != self.Trigger.SCHEDULE

    @property
    def takes_present(self) -> bool:
        """Whether people who are in when it is activated are sent then."""
        return self.includes_present and self.may_take_present

    @property
    def may_take_present(self) -> bool:
        """Whether it is asked about people who are in when it is activated."""
        return self.trigger in (self.Trigger.ON_ENTRY, self.Trigger.EACH_EVENT)

    @property
    def delay_time(self) -> timedelta:
        """How long it waits with what it takes in of the log."""
        if not self.listens:
            return timedelta(0)
        return timedelta(**{self.delay_unit: self.delay or 0})

    @property
    def limit_time(self) -> timedelta:
        """In which time so many events of a person (`most_events`) are taken in."""
        return timedelta(**{f"{self.most_events_per}s": 1})

    @property
    def compares(self) -> bool:
        """Whether it keeps what Braze accepted of whom (engagements.sync)."""
        is_everyone = self.sync_mode == self.SyncMode.EVERYONE
        return not is_everyone or self.sends_deltas or self.clears_who_left

    @property
    def is_behind(self) -> bool:
        """Whether its External API has a newer version."""
        base_id = self.version.written_on_id or self.version_id
        return bool(base_id != self.version.external_api.current_version_id)

    def move(
        self, old: Iterable[str], new: "Engagement.State", reason: str = ""
    ) -> bool:
        """Move from one of the states `old` to `new`; False when someone was first.

        With a reason it is the engine that stops it, and its owner is told.
        """
        is_begun = new == self.State.ACTIVE
        begins = {"active_since": Now(), "refusals": 0} if is_begun else {}
        moved = Engagement.objects.filter(pk=self.pk, state__in=list(old)).update(
            **begins,
            state=new,
            blocked_reason=reason,
            blocked_key_version=None,
            is_notice_due=bool(reason),
            is_held=False,
        )
        self.refresh_from_db(fields=["state", "blocked_reason", "is_held"])
        return bool(moved)


class ExcludedSegment(models.Model):
    """That an engagement sends to nobody who is in a segment, besides its own."""

    engagement = models.ForeignKey(
        Engagement, on_delete=models.CASCADE, related_name="exclusions", db_index=False
    )
    segment = models.ForeignKey(
        Segment, on_delete=models.PROTECT, related_name="excluded_by"
    )

    class Meta:
        verbose_name = "excluded segment"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["engagement", "segment"], name="segment_is_excluded_once"
            )
        ]

    def __str__(self) -> str:
        return f"of “{self.engagement}”"

    def get_absolute_url(self) -> str:
        """Where it is said: the engagement's page."""
        return self.engagement.get_absolute_url()
