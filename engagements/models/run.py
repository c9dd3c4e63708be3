"""One pass of an engagement over its people."""

from collections.abc import Mapping

from django.db import models
from django.db.models import Func, Q, Value
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from engagements.models.engagement import Engagement
from externalapi.models import ExternalAPIVersion

# A number of the deliveries' own counter: those that are there have smaller ones, those
# that come larger ones.
NEXT_DELIVERY = Func(Value("engagements_delivery_id_seq"), function="nextval")

# By trigger, what a standing run takes in.
LISTENS_TO: Mapping[str, str] = {
    Engagement.Trigger.EACH_EVENT: "Each qualifying event",
    Engagement.Trigger.ON_EXIT: "Everybody who leaves",
}


class Run(models.Model):
    """One pass over an audience; an engagement that listens has one standing run."""

    class State(models.TextChoices):
        EXPANDING = "expanding", "Collecting people"
        SENDING = "sending", "Sending"
        COMPLETED = "completed", "Completed"
        COMPLETED_WITH_ERRORS = "completed_with_errors", "Completed with errors"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    # What is shown in place of a state: a standing run in SENDING has nobody to send most
    # of the time, and one that stopped at the ceiling, or for an approval, collects nobody.
    LISTENING, ASKING = "listening", "asking"
    SHOWN = ((LISTENING, "Listening"), (ASKING, "Stopped to ask"))
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
    # And what its variants were.
    variants = models.JSONField(default=dict, db_default={})
    scheduled_for = models.DateTimeField()
    # The reading of the clock that a schedule's run is for (engagements.schedules).
    slot = models.CharField(max_length=40, blank=True, default="", db_default="")
    state = models.CharField(max_length=32, choices=State, default=State.EXPANDING)
    failure = models.TextField(blank=True)
    # Of an engagement that listens: it takes in lines of the log until that ends.
    is_standing = models.BooleanField(default=False)
    # What a run that is or was standing listens to; "" where it was made before there
    # was more than entries.
    trigger = models.CharField(max_length=16, blank=True, default="", db_default="")
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
    # People whom it has taken in towards the engagement's ceiling, of a standing run
    # those of this day (engagements.guards.ceiling); whether somebody let it go on
    # above, and whether it waits for that.
    taken_in = models.PositiveBigIntegerField(default=0, db_default=0)
    taken_in_on = models.DateField(null=True)
    may_exceed_ceiling = models.BooleanField(default=False, db_default=False)
    waits_at_ceiling = models.BooleanField(default=False, db_default=False)
    # Where each person is due in their own zone: which, and what the clock shows there
    # (engagements.schedules.own_zone); and for how many people that was over.
    own_zone = models.JSONField(null=True)
    own_time_over = models.PositiveIntegerField(default=0, db_default=0)
    # The last exit from the segment before it took anybody in; -1 where that is not the
    # engagement's segment any more (engagements.guards.left_segment).
    exits_before = models.BigIntegerField(default=0, db_default=0)
    # What was counted when it was judged last (engagements.lifecycle.auto_pause).
    judged_people = models.PositiveIntegerField(default=0, db_default=0)
    judged_failures = models.PositiveIntegerField(default=0, db_default=0)
    half_hour_began = models.DateTimeField(null=True)
    half_hour_people = models.PositiveIntegerField(default=0, db_default=0)
    half_hour_failures = models.PositiveIntegerField(default=0, db_default=0)
    # Its deliveries' ids are between these two. None: nobody knows; the second is known
    # when nothing can be added any more (engagements.lifecycle.completion).
    deliveries_after = models.BigIntegerField(null=True, db_default=NEXT_DELIVERY)
    deliveries_before = models.BigIntegerField(null=True)
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
            # "To which may deliveries be added?"
            models.Index(
                fields=["id"],
                name="run_with_deliveries_to_come",
                condition=Q(deliveries_before=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.engagement} · {self.name}"

    def get_absolute_url(self) -> str:
        return reverse("admin:engagements_run_change", args=[self.pk])

    @property
    def name(self) -> str:
        """By its number: two may be planned for the same second, as a retry is."""
        local = timezone.localtime(self.scheduled_for)
        return f"run {self.pk} of {local:%-d %b %Y, %H:%M:%S} {local.tzname()}"

    @property
    def shown_state(self) -> str:
        """The state, or what is shown in its place (`SHOWN`)."""
        if self.waits_at_ceiling and self.state in self.OPEN:
            return self.ASKING
        if self.is_standing and self.state == self.State.SENDING:
            return self.LISTENING
        return self.state

    @property
    def state_in_words(self) -> str:
        """The same on each page."""
        return dict(self.SHOWN).get(self.shown_state) or str(self.get_state_display())

    @property
    def kind_in_words(self) -> str:
        if self.is_standing:
            return LISTENS_TO.get(self.trigger, "Everybody who enters")
        return "Failed people again" if self.retry_of_id else "Everybody in the segment"
