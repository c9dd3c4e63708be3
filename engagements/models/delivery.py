"""What became of one person in one run."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from engagements.models.run import Run
from segments.models import Event, Profile

# What came of lines of the log: all that runs have that listen, of which somebody may
# have been erased. Filtered by this, PostgreSQL sees that an index has them.
OF_LINES = Q(transition_id__gt=0) | Q(profile__isnull=True)
NOT_SENT = Q(
    state__in=[
        "accepted_unverified",
        "rejected",
        "skipped",
        "uncertain",
        "dead",
        "cancelled",
        "erased",
    ]
)


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

    # What counts as sent: also what may have arrived.
    MAYBE_SENT = (State.SENT, State.ACCEPTED_UNVERIFIED, State.UNCERTAIN)
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
    # Which variant's values: 1 is A (engagements.variants.plan), 0 who is held out of all
    # of them. None: there were no variants, or nothing was written yet.
    variant = models.SmallIntegerField(null=True)
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
                condition=NOT_SENT,
            ),
            # The list of one state, newest first: it may be rare.
            models.Index(
                fields=["state", "id"], name="delivery_of_state", condition=NOT_SENT
            ),
            # The list of a run that listens: its rows lie among all others'.
            models.Index(
                fields=["run", "id"], name="delivery_of_lines", condition=OF_LINES
            ),
            # "Who was sent to in this run?" Its rows lie together.
            BrinIndex(fields=["run"], name="delivery_of_run", pages_per_range=32),
        ]

    def __str__(self) -> str:
        # Nobody's name: it stands where it is not asked who looks.
        return f"Delivery {self.pk} in {self.run}"

    @property
    def person(self) -> Profile | None:
        """Who it is about, as whom they are known by now; None: they were erased."""
        found: Profile | None = self.profile
        return found and (found.merged_into or found)
