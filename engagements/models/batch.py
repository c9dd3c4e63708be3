"""The outbox: people who go out in one request."""

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import F, Func, IntegerField, JSONField, Q, Sum, TextField, Value
from django.db.models.functions import Cast, Coalesce, Now

if TYPE_CHECKING:
    from engagements.models import Delivery

# How many people a batch's next request takes along.
PEOPLE_LEFT = Func(
    F("profile_ids"), function="cardinality", output_field=IntegerField()
) - Func(F("left_out"), function="cardinality", output_field=IntegerField())

# By run: what all its batches count, and then by reason (`code`) whom they skipped. Rows
# are wide, so they are read once.
TALLIES = """
    WITH alike AS MATERIALIZED (
        SELECT run_id, skip_counts, count(*) AS n, sum(sent_count) AS sent,
            sum(data_points) AS points, sum(data_points_saved) AS saved
        FROM ({batches}) b GROUP BY 1, 2
    ), waiting AS (
        SELECT run_id, sum("left") AS people FROM ({open}) b GROUP BY 1
    )
    SELECT run_id, NULL AS code, coalesce(max(people), 0)::bigint, sum(sent)::bigint,
        sum(points)::bigint, sum(saved)::bigint
    FROM alike LEFT JOIN waiting USING (run_id) GROUP BY 1
    UNION ALL
    SELECT run_id, c.code, sum(c.n::int * alike.n)::bigint, 0, 0, 0
    FROM alike CROSS JOIN LATERAL jsonb_each_text(skip_counts) c (code, n)
    GROUP BY 1, 2
"""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What batches count: people who wait, were sent, and skipped by the reason's code;
    data points that were sent, and saved. All of it at one moment.
    """

    waiting: int = 0
    sent: int = 0
    points: int = 0
    saved: int = 0
    skips: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            waiting=self.waiting + other.waiting,
            sent=self.sent + other.sent,
            points=self.points + other.points,
            saved=self.saved + other.saved,
            skips=self.skips + other.skips,
        )


class BatchQuerySet(models.QuerySet["Batch"]):
    def open(self) -> Self:
        return self.filter(state__in=Batch.OPEN)

    def people(self) -> int:
        """How many people the batches' next requests take along."""
        return int(self.aggregate(n=Coalesce(Sum(PEOPLE_LEFT), 0))["n"])

    def tallies(self) -> defaultdict[int, Tally]:
        """What they count, by run; nothing of a run that has none of them."""
        own = self.order_by().values(
            *("run_id", "skip_counts", "sent_count", "data_points", "data_points_saved")
        )
        left = self.open().order_by().values("run_id", left=PEOPLE_LEFT)
        found = defaultdict[int, Tally](Tally)
        try:
            sql, params = own.query.sql_with_params()
            open_sql, open_params = left.query.sql_with_params()
        except EmptyResultSet:
            return found
        statement = TALLIES.format(batches=sql, open=open_sql)
        with connection.cursor() as cursor:
            cursor.execute(statement, [*params, *open_params])
            for run_id, code, count, *others in cursor.fetchall():
                tally = found[run_id]
                if code is None:
                    tally.waiting = count
                    tally.sent, tally.points, tally.saved = others
                else:
                    tally.skips[code] = count
        return found

    def skipped_but(self, codes: Collection[str]) -> Self:
        """Those with somebody who was skipped for something else."""
        known = Cast(Value(list(codes)), ArrayField(TextField()))
        rest = Func(
            F("skip_counts"),
            known,
            template="(%(expressions)s)",
            arg_joiner=" - ",
            output_field=JSONField(),
        )
        return self.exclude(skip_counts={}).annotate(rest=rest).exclude(rest={})


class Batch(models.Model):
    """People who go out in one request: the outbox.

    The three lists say who, by place: a person, the event that brought them in, and
    which entry into the segment it was. Their places never change; an empty list means
    nothing for everybody, and 0 is a person who was erased. `left_out` are the places
    (from 0) that no further request takes along: those without a payload, and those
    whose delivery is settled already.
    """

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

    # The unique key begins with it, and finds a run's batches.
    run = models.ForeignKey(
        "engagements.Run",
        on_delete=models.CASCADE,
        related_name="batches",
        db_index=False,
    )
    sequence = models.IntegerField()
    # The batch that was split into this one and its sibling.
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, related_name="children"
    )
    profile_ids = ArrayField(models.BigIntegerField())
    event_ids = ArrayField(models.BigIntegerField(null=True), default=list)
    transition_ids = ArrayField(models.BigIntegerField(), default=list)
    left_out = ArrayField(models.SmallIntegerField(), default=list, db_default=[])
    # Where the run has variants: which one each place gets, once a request was written.
    variants = ArrayField(models.SmallIntegerField(), default=list, db_default=[])
    # How many of its deliveries say "sent": nobody wants to count them one by one.
    sent_count = models.PositiveIntegerField(default=0, db_default=0)
    # The same of "skipped", by the reason's code, which is what stands before its colon.
    skip_counts = models.JSONField(default=dict, db_default={})
    # Where the engagement compares: data points of who was sent, and those that deltas,
    # and whoever had nothing new, have saved (engagements.sync.data_points).
    data_points = models.PositiveIntegerField(default=0, db_default=0)
    data_points_saved = models.PositiveIntegerField(default=0, db_default=0)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    attempt_count = models.PositiveIntegerField(default=0, db_default=0)
    ambiguous_count = models.PositiveIntegerField(default=0, db_default=0)
    reap_count = models.PositiveIntegerField(default=0, db_default=0)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(db_default=Now())
    # Its request on the wire may have values from before another's.
    is_repeat = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now())
    # When its people's request was written for the first time, by the database's clock:
    # what `now` says in it, and goes on to say however often it is written again.
    written_at = models.DateTimeField(null=True)

    objects = BatchQuerySet.as_manager()

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
            # "Is anybody left in this run, and how many? Does this person wait?"
            models.Index(
                fields=["run"],
                name="batch_open",
                condition=Q(state__in=["pending", "leased", "sending", "retry"]),
            ),
            # The reaper: "whose lease ran out?"
            models.Index(
                fields=["lease_until"],
                name="batch_leased",
                condition=Q(state__in=["leased", "sending"]),
            ),
            # "Which repeats are on the wire?" There is hardly ever one.
            models.Index(
                fields=["run"],
                name="batch_repeat",
                condition=Q(state="sending", is_repeat=True),
            ),
            # "What waits for somebody's decision?"
            models.Index(
                fields=["run"],
                name="batch_uncertain",
                condition=Q(state="uncertain"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run} · batch {self.sequence}"

    @property
    def places_left(self) -> list[int]:
        """The places that its next request takes along, in order."""
        out = set(self.left_out)
        return [place for place in range(len(self.profile_ids)) if place not in out]

    def place_of(self, delivery: "Delivery") -> int | None:
        """Where in the batch a delivery's person is; None where it is not."""
        entries = self.transition_ids or [0] * len(self.profile_ids)
        who = (delivery.profile_id, delivery.transition_id)
        people = list(zip(self.profile_ids, entries, strict=True))
        return people.index(who) if who in people else None
