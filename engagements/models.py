"""Which people get what through which External API, and what became of each."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from engagements.operations.models import Sample as Sample
from engagements.operations.models import Worker as Worker
from externalapi.models import Connection, ExternalAPIVersion
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

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        BLOCKED = "blocked", "Stopped by an error"
        ENDED = "ended", "Ended"

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
    # Why the engine stopped it: it is blocked, or paused by itself.
    blocked_reason = models.TextField(blank=True, editable=False)
    # The version of the key that was refused: with a newer one it goes on by itself.
    blocked_key_version = models.PositiveIntegerField(null=True, editable=False)
    # Its owner is still to be told that it was stopped.
    is_notice_due = models.BooleanField(default=False, db_default=False, editable=False)
    # Paused by “Pause all”, which “Resume all” takes back; any other move forgets it.
    is_held = models.BooleanField(default=False, editable=False)
    activated_at = models.DateTimeField(null=True, editable=False)
    # Since it was activated, or resumed after it had stopped.
    active_since = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
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
            # The tick's and the drain's "which engagements are at work".
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
    def is_behind(self) -> bool:
        """Whether its External API has a newer version."""
        return self.version_id != self.version.external_api.current_version_id

    def move(
        self, old: Iterable[str], new: "Engagement.State", reason: str = ""
    ) -> bool:
        """Move from one of the states `old` to `new`; False when someone was first.

        With a reason it is the engine that stops it, and its owner is told.
        """
        begins = {"active_since": Now()} if new == self.State.ACTIVE else {}
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

    OPEN = (State.EXPANDING, State.SENDING)
    COMPLETED = (State.COMPLETED, State.COMPLETED_WITH_ERRORS)

    engagement = models.ForeignKey(
        Engagement, on_delete=models.CASCADE, related_name="runs"
    )
    version = models.ForeignKey(
        ExternalAPIVersion, on_delete=models.PROTECT, related_name="runs"
    )
    # What the values were when the run began, so that a retry renders the same.
    values = models.JSONField(default=dict)
    scheduled_for = models.DateTimeField()
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
    # What was counted when it was judged last (engagements.auto_pause).
    judged_people = models.PositiveIntegerField(default=0, db_default=0)
    judged_failures = models.PositiveIntegerField(default=0, db_default=0)
    half_hour_began = models.DateTimeField(null=True)
    half_hour_people = models.PositiveIntegerField(default=0, db_default=0)
    half_hour_failures = models.PositiveIntegerField(default=0, db_default=0)
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Two beats, a late beat or a clock jump cannot make a slot's second run.
            models.UniqueConstraint(
                fields=["engagement", "scheduled_for", "is_standing"],
                name="run_is_made_once_a_slot",
            )
        ]
        indexes = [
            # "Which runs have work?"
            models.Index(
                fields=["engagement"],
                name="run_open",
                condition=Q(state__in=["expanding", "sending"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.engagement} · {self.scheduled_for:%Y-%m-%d %H:%M %Z}"

    def get_absolute_url(self) -> str:
        return reverse("admin:engagements_run_change", args=[self.pk])


class Batch(models.Model):
    """People who go out in one request: the outbox."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        LEASED = "leased", "Taken by a worker"
        SENDING = "sending", "On the wire"
        RETRY = "retry", "Waiting to try again"
        DONE = "done", "Answered"
        SPLIT = "split", "Split into smaller batches"
        UNCERTAIN = "uncertain", "Uncertain"
        DEAD = "dead", "Given up"
        CANCELLED = "cancelled", "Cancelled"

    DUE = (State.PENDING, State.RETRY)
    OPEN = (State.PENDING, State.LEASED, State.SENDING, State.RETRY)

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="batches")
    sequence = models.IntegerField()
    # The batch that was split into this one and its sibling.
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, related_name="children"
    )
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    attempt_count = models.PositiveIntegerField(default=0, db_default=0)
    ambiguous_count = models.PositiveIntegerField(default=0, db_default=0)
    reap_count = models.PositiveIntegerField(default=0, db_default=0)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "batches"
        constraints = [
            models.UniqueConstraint(
                fields=["run", "sequence"], name="batch_sequence_is_unique"
            )
        ]
        indexes = [
            # The claim: "what is due in this run, oldest first?"
            models.Index(
                fields=["run", "next_attempt_at"],
                name="batch_due",
                condition=Q(state__in=["pending", "retry"]),
            ),
            # The reaper: "whose lease ran out?"
            models.Index(
                fields=["lease_until"],
                name="batch_leased",
                condition=Q(state__in=["leased", "sending"]),
            ),
            # "What waits for somebody's decision?"
            models.Index(
                fields=["run"],
                name="batch_uncertain",
                condition=Q(state="uncertain"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run} #{self.sequence}"


class Delivery(models.Model):
    """One person in one run.

    The table that grows with the audience. Its rows are made by one set operation out
    of rows that exist, so the database is not asked once more for each of them: that
    would cost a third of the whole delivery (db_constraint=False).
    """

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        SENT = "sent", "Sent"
        ACCEPTED_UNVERIFIED = "accepted_unverified", "Accepted, answer unreadable"
        REJECTED = "rejected", "Rejected"
        SKIPPED = "skipped", "Skipped"
        UNCERTAIN = "uncertain", "Uncertain"
        DEAD = "dead", "Given up"
        CANCELLED = "cancelled", "Cancelled"

    # No index of its own: the unique constraint begins with it.
    run = models.ForeignKey(
        Run,
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_constraint=False,
        db_index=False,
    )
    profile = models.ForeignKey(
        Profile,
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_constraint=False,
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
    batch = models.ForeignKey(
        Batch,
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_constraint=False,
    )
    position = models.PositiveIntegerField("place in the batch")
    state = models.CharField(max_length=24, choices=State, default=State.PENDING)
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
            models.UniqueConstraint(
                fields=["run", "profile", "transition_id"],
                name="delivery_is_made_once",
            )
        ]
        indexes = [
            # The report: how many of a run are in each state, and who they are.
            models.Index(fields=["run", "state"], name="delivery_report")
        ]

    def __str__(self) -> str:
        return f"{self.profile} in {self.run}"


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
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="attempts")
    version = models.ForeignKey(
        ExternalAPIVersion, on_delete=models.PROTECT, related_name="+"
    )
    key_version = models.PositiveIntegerField()
    worker = models.CharField(max_length=255)
    # The people of the batch whose payload is in this request, in order.
    delivery_ids = models.JSONField(default=list)
    item_count = models.PositiveIntegerField()
    request_sha256 = models.CharField(max_length=64)
    outcome = models.CharField(
        max_length=24, choices=Outcome, default=Outcome.UNFINISHED
    )
    status = models.PositiveIntegerField(null=True)
    message = models.TextField(blank=True, db_default="")
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
            # "Whose answer is too old to be kept?"
            models.Index(
                fields=["started_at"],
                name="attempt_with_response",
                condition=~Q(response_head=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.status or ''}".strip()


class Destination(models.Model):
    """What all workers share about a connection: its budget, and when it is closed."""

    connection = models.OneToOneField(
        Connection, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    burst_started_at = models.DateTimeField(db_default=Now())
    burst_used = models.PositiveIntegerField(default=0, db_default=0)
    hour_started_at = models.DateTimeField(db_default=Now())
    hour_used = models.PositiveIntegerField(default=0, db_default=0)
    # The claim passes it by until then: a rate limit, an open breaker, or a probe.
    blocked_until = models.DateTimeField(null=True)
    # The breaker (engagements.breaker).
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
        """Whether the breaker keeps everybody away."""
        blocked = self.blocked_until
        return bool(self.times_opened) and blocked is not None and blocked > now

    def is_probed_at(self, now: datetime) -> bool:
        """Whether a few requests are on their way to find out how it does."""
        return self.probing_until is not None and self.probing_until > now
