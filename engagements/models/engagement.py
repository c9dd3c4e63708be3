"""Which people get what through which External API, and what became of each."""

from collections.abc import Iterable

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from externalapi.models import ExternalAPIVersion
from lemnisk_braze.lib.database_clock import ChangedAtField
from segments.models import Event, Profile, Segment


class Engagement(models.Model):
    """A segment's people × an External API × the values of its parameters."""

    class Trigger(models.TextChoices):
        ON_ENTRY = "on_entry", "As soon as someone enters the segment"
        SCHEDULE = "schedule", "On a schedule"

    class Repeat(models.TextChoices):
        ONCE = "once", "Once"
        HOURLY = "hourly", "Every hour"
        DAILY = "daily", "Every day"
        WEEKLY = "weekly", "Every week"

    class Again(models.TextChoices):
        USUAL = "usual", "Once a person; on a schedule that repeats, every time"
        ONCE = "once", "Once a person"
        AFTER_DAYS = "after_days", "Again after a number of days"
        ALWAYS = "always", "Every time"

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
    trigger = models.CharField(max_length=16, choices=Trigger, default=Trigger.ON_ENTRY)
    includes_present = models.BooleanField(
        "also send to people already in the segment",
        default=False,
        help_text="They are sent when you activate; later entries follow at once.",
    )
    starts_at = models.DateTimeField(
        null=True, blank=True, help_text="Empty: as soon as you activate."
    )
    repeat = models.CharField(max_length=16, choices=Repeat, default=Repeat.ONCE)
    time_zone = models.CharField(max_length=64, default="UTC")
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
    # Who asked an Approver to activate it, and when (engagements.lifecycle.approval).
    asked_at = models.DateTimeField(null=True, editable=False)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    is_asking_due = models.BooleanField(default=False, db_default=False, editable=False)
    # Paused by “Pause all”, which “Resume all” takes back; any other move forgets it.
    is_held = models.BooleanField(default=False, editable=False)
    activated_at = models.DateTimeField(null=True, editable=False)
    # Since it was activated, or resumed after it had stopped.
    active_since = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
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
        return self.Again.ALWAYS if repeats else self.Again.ONCE

    @property
    def is_behind(self) -> bool:
        """Whether its External API has a newer version."""
        return self.version_id != self.version.external_api.current_version_id

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


class Run(models.Model):
    """One pass over an audience; an on-entry engagement has one standing run."""

    class State(models.TextChoices):
        EXPANDING = "expanding", "Collecting people"
        SENDING = "sending", "Sending"
        COMPLETED = "completed", "Completed"
        COMPLETED_WITH_ERRORS = "completed_with_errors", "Completed with errors"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    # What a standing run does while it is in the state SENDING, in one word.
    LISTENING = "Listening"
    OPEN = (State.EXPANDING, State.SENDING)
    COMPLETED = (State.COMPLETED, State.COMPLETED_WITH_ERRORS)

    engagement = models.ForeignKey(
        Engagement, on_delete=models.CASCADE, related_name="runs", db_index=False
    )
    version = models.ForeignKey(
        ExternalAPIVersion, on_delete=models.PROTECT, related_name="runs"
    )
    # What the values were when the run began, so that a retry renders the same.
    values = models.JSONField(default=dict)
    scheduled_for = models.DateTimeField()
    # The reading of the clock that a schedule's run is for (lifecycle.schedule).
    slot = models.CharField(max_length=40, blank=True, default="", db_default="")
    state = models.CharField(max_length=32, choices=State, default=State.EXPANDING)
    failure = models.TextField(blank=True)
    # An on-entry engagement's run: it takes in entries until the engagement ends.
    is_standing = models.BooleanField(default=False)
    # The run whose failed people this one tries again.
    retry_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="retries"
    )
    # How far the audience is expanded: a profile id, or, for a standing run, the id of
    # the segment's last transition that became a delivery. And the next batch's number.
    expansion_cursor = models.BigIntegerField(default=0)
    next_sequence = models.IntegerField(default=0)
    # How often it did not take somebody in who was sent already (Engagement.again).
    repeats_left_out = models.PositiveIntegerField(default=0, db_default=0)
    # The last exit from the segment before it took anybody in; -1 where that is not the
    # engagement's segment any more (engagements.outbox.left_segment).
    exits_before = models.BigIntegerField(default=0, db_default=0)
    # What was counted when it was judged last (engagements.lifecycle.auto_pause).
    judged_people = models.PositiveIntegerField(default=0, db_default=0)
    judged_failures = models.PositiveIntegerField(default=0, db_default=0)
    half_hour_began = models.DateTimeField(null=True)
    half_hour_people = models.PositiveIntegerField(default=0, db_default=0)
    half_hour_failures = models.PositiveIntegerField(default=0, db_default=0)
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    # Whether somebody has looked how it ended (engagements.lifecycle.ended_runs).
    is_end_judged = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            # Two beats, a late beat or a clock jump cannot make a slot's second run.
            models.UniqueConstraint(
                fields=["engagement", "scheduled_for", "is_standing"],
                name="run_is_made_once_a_moment",
            ),
            # The clock may show a slot twice.
            models.UniqueConstraint(
                fields=["engagement", "slot"],
                name="run_is_made_once_a_slot",
                condition=~Q(slot=""),
            ),
        ]
        indexes = [
            # "Which runs have work?"
            models.Index(
                fields=["engagement"],
                name="run_open",
                condition=Q(state__in=["expanding", "sending"]),
            ),
            # "Which have just ended?"
            models.Index(
                fields=["ended_at"],
                name="run_end_to_judge",
                condition=Q(is_end_judged=False),
            ),
        ]

    def __str__(self) -> str:
        # Two may be planned for the same minute: a run and its retry, for one.
        return f"{self.engagement} · {self.scheduled_for:%Y-%m-%d %H:%M %Z} · {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("admin:engagements_run_change", args=[self.pk])

    @property
    def state_in_words(self) -> str:
        """One word on each page; a standing run has nobody to send most of the time."""
        if self.is_standing and self.state == self.State.SENDING:
            return self.LISTENING
        return str(self.get_state_display())

    @property
    def kind_in_words(self) -> str:
        if self.is_standing:
            return "Everybody who enters"
        return "Failed people again" if self.retry_of_id else "Everybody in the segment"


class Delivery(models.Model):
    """What became of one person in one run.

    The table that grows with the audience: a row is written once, when there is an
    end to tell; until then the person waits in an open batch. The rows are made by set
    operations out of rows that exist, so the database is not asked once more for each
    of them (db_constraint=False).
    """

    class State(models.TextChoices):
        SENT = "sent", "Sent"
        ACCEPTED_UNVERIFIED = "accepted_unverified", "Accepted, answer unreadable"
        REJECTED = "rejected", "Rejected"
        SKIPPED = "skipped", "Skipped"
        UNCERTAIN = "uncertain", "Uncertain"
        DEAD = "dead", "Given up"
        CANCELLED = "cancelled", "Cancelled"
        ERASED = "erased", "Erased"

    # Filtered by these, PostgreSQL sees that the index of what was not sent has them.
    NOT_SENT = frozenset(State) - {State.SENT}

    run = models.ForeignKey(
        Run,
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_constraint=False,
        db_index=False,
    )
    # None: the person was erased. No index of its own: the unique constraint begins
    # with it.
    profile = models.ForeignKey(
        Profile,
        on_delete=models.SET_NULL,
        null=True,
        related_name="deliveries",
        db_constraint=False,
        db_index=False,
    )
    # The event that `event` means in a personalization variable.
    event = models.ForeignKey(
        Event,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    # Which entry into the segment this is; 0 where a schedule asked for it.
    transition_id = models.BigIntegerField(default=0, db_default=0)
    # No index: a batch knows its people, and the unique constraint finds their rows.
    batch = models.ForeignKey(
        "engagements.Batch",
        on_delete=models.DO_NOTHING,
        related_name="deliveries",
        db_constraint=False,
        db_index=False,
    )
    state = models.CharField(max_length=24, choices=State)
    reason = models.TextField(blank=True, db_default="")
    # The run that tries it again: a retry takes each failure along once.
    retry = models.ForeignKey(
        Run,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "deliveries"
        permissions = [("export_delivery", "Can export deliveries")]
        constraints = [
            # And "what was sent to this person?"
            models.UniqueConstraint(
                fields=["profile", "run", "transition_id"],
                name="delivery_is_made_once",
            )
        ]
        indexes = [
            # The report: how many of a run ended otherwise, and who they are.
            models.Index(
                fields=["run", "state"],
                name="delivery_not_sent",
                condition=Q(
                    state__in=[
                        "accepted_unverified",
                        "rejected",
                        "skipped",
                        "uncertain",
                        "dead",
                        "cancelled",
                        "erased",
                    ]
                ),
            ),
            # "Who was sent to in this run?" Its rows lie together.
            BrinIndex(fields=["run"], name="delivery_of_run", pages_per_range=32),
        ]

    def __str__(self) -> str:
        # Nobody's name: it stands where it is not asked who looks.
        return f"Delivery {self.pk} in {self.run}"
