"""The segments that people are in: their rules, and who enters and leaves."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from lemnisk_braze.lib.database_clock import ChangedAtField
from segments.models.events import Event
from segments.models.people import Profile


class Segment(models.Model):
    """A rule over attributes and events that people enter and leave.

    `state` is told from three columns: `is_active` (live), `is_draft` (it never was) and
    `archived_at`.
    """

    class Priority(models.IntegerChoices):
        HIGH = 1, "High"
        NORMAL = 2, "Normal"
        LOW = 3, "Low"

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        LIVE = "live", "Live"
        PAUSED = "paused", "Paused"
        ARCHIVED = "archived", "Archived"

    name = models.CharField(max_length=255, unique=True)
    description = models.TextField(blank=True)
    rule = models.JSONField(
        default=dict,
        help_text="The rule tree; segments/rules/tree.py draws its grammar.",
    )
    # The names of the events that the rule reads: an event wakes only these segments.
    event_names = models.JSONField(default=list, editable=False)
    # The ids of the segments that it asks for: they are asked before it.
    reads_segments = ArrayField(
        models.BigIntegerField(), default=list, db_default=[], editable=False
    )
    # Live: people enter and leave.
    is_active = models.BooleanField("live", default=True)
    is_draft = models.BooleanField(default=False, db_default=False, editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)
    # Nobody who is in it is sent anything, by any engagement.
    is_suppression = models.BooleanField(
        default=False, db_default=False, editable=False
    )
    tags = ArrayField(
        models.CharField(max_length=50), default=list, db_default=[], blank=True
    )
    # Of several that are due, who is counted first.
    priority = models.PositiveSmallIntegerField(
        choices=Priority, default=Priority.NORMAL, db_default=2
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    size = models.PositiveIntegerField("people", default=0, editable=False)
    refreshed_at = models.DateTimeField(null=True, editable=False)
    # A count of what was saved then (updated_at) has read all that was just being written.
    settled_at = models.DateTimeField(null=True, editable=False)
    # A count is at work until then: who is evaluated meanwhile is noted (Touched).
    counting_until = models.DateTimeField(null=True, editable=False)
    # Windows, such as "in the last 30 days", have moved on until then.
    clock_at = models.DateTimeField(null=True, editable=False)
    # Who is in already and does again what counts has a line of the log (membership.steps).
    keeps_again = models.BooleanField(default=False, db_default=False, editable=False)
    # Why it could not be counted: until it can, nobody enters and nobody leaves.
    problem = models.TextField(blank=True, db_default="", default="", editable=False)
    problem_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # Compared with refreshed_at: both are the database's.
    updated_at = ChangedAtField(editable=False)

    class Meta:
        permissions = [("export_members", "Can export the people of a segment")]
        indexes = [
            # "Which segments read the event that has just come in?"
            GinIndex(fields=["event_names"], name="segment_event_names"),
            # "Who is never sent anything?"
            models.Index(
                fields=["id"],
                name="segment_suppresses",
                condition=Q(is_suppression=True),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(is_active=False) | Q(is_draft=False, archived_at=None),
                name="segment_is_in_one_state",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:segments_segment_change", args=[self.pk])

    @property
    def state(self) -> State:
        if self.archived_at:
            return self.State.ARCHIVED
        if self.is_active:
            return self.State.LIVE
        return self.State.DRAFT if self.is_draft else self.State.PAUSED


class SegmentVersion(models.Model):
    """A rule that a segment has or had; it never changes.

    What a program has saved has none, until somebody changes it.
    """

    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, related_name="versions", db_index=False
    )
    number = models.PositiveIntegerField()
    rule = models.JSONField()
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
    )
    made_at = models.DateTimeField(db_default=Now())
    # Where it came from, where that is not the form.
    note = models.CharField(max_length=255, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["segment", "number"], name="segment_version_is_one"
            )
        ]

    def __str__(self) -> str:
        return f"Version {self.number} of {self.segment_id}"


class Snapshot(models.Model):
    """Who was in a segment when somebody kept it: what a fixed list asks for."""

    # The segment's name then; it may be called otherwise now, or be gone.
    name = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField()
    taken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
    )
    taken_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class SnapshotMember(models.Model):
    """Somebody in a snapshot. The database holds no references, as with Membership."""

    pk = models.CompositePrimaryKey("of_id", "profile_id")
    of = models.ForeignKey(
        Snapshot,
        on_delete=models.DO_NOTHING,
        related_name="members",
        db_constraint=False,
        db_index=False,
    )
    # The index is for who deletes people.
    profile = models.ForeignKey(
        Profile, on_delete=models.CASCADE, related_name="+", db_constraint=False
    )

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.profile_id} in {self.of_id}"


class SegmentDay(models.Model):
    """How many entered and left a segment on a day (UTC), and its size when it was over.

    `size` is null for days before anybody looked. `until_id`: the log (Transition) is
    counted until then.
    """

    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, related_name="days", db_index=False
    )
    day = models.DateField()
    entered = models.PositiveBigIntegerField(default=0)
    left = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(null=True)
    until_id = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["segment", "day"], name="segment_day_is_one"
            )
        ]

    def __str__(self) -> str:
        return f"{self.segment_id} on {self.day}"


class Proposal(models.Model):
    """A change of whom a segment takes in, kept for somebody who may decide about it."""

    class State(models.TextChoices):
        OPEN = "open", "Waits for a decision"
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"
        REPLACED = "replaced", "Replaced by a newer one"

    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, related_name="proposals"
    )
    rule = models.JSONField()
    is_active = models.BooleanField()
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
    )
    proposed_at = models.DateTimeField(db_default=Now())
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
    )
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["segment"],
                condition=Q(state="open"),
                name="proposal_is_the_only_open_one",
            )
        ]

    def __str__(self) -> str:
        return f"Proposed change of {self.segment}"

    def get_absolute_url(self) -> str:
        return reverse(
            "admin:segments_segment_proposal", args=[self.segment_id, self.pk]
        )


class Membership(models.Model):
    """A person is in a segment since a time; `event` is the one that brought them in.

    That is the newest that then satisfied one of the rule's conditions (rules.verdicts);
    none where the rule holds without one. After a change of the rule it is the newest
    that satisfies the new one.

    The database holds none of the references: each row of a fill would pay for them.
    What deletes people, segments or events takes care of these (membership.deleting,
    retention).
    """

    segment = models.ForeignKey(
        Segment,
        on_delete=models.DO_NOTHING,
        related_name="memberships",
        db_constraint=False,
        db_index=False,
    )
    profile = models.ForeignKey(
        Profile,
        on_delete=models.CASCADE,
        related_name="memberships",
        db_constraint=False,
        db_index=False,
    )
    event = models.ForeignKey(
        Event,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    since = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Also the keyset read of a segment's people in order of profile.
            models.UniqueConstraint(
                fields=["segment", "profile"], name="membership_is_held_once"
            )
        ]
        indexes = [
            # "Which segments is this person in?", read from the index alone.
            models.Index(fields=["profile", "segment"], name="membership_of_person"),
            # Where an event is deleted.
            models.Index(
                fields=["event"],
                name="membership_event",
                condition=Q(event__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.profile_id} in {self.segment_id}"


class Transition(models.Model):
    """The log of entries and exits; rows are only ever added.

    Also of who is in and did again what counts, where a segment keeps that. It is as it
    would be had each message come alone. Who becomes part of somebody enters and leaves
    nothing by that (membership.following).

    Every writer holds its segment's row lock to the end of its transaction, so within
    one segment ids are committed in order: a reader may keep "the last id I saw". The
    database holds no references, as with Membership.
    """

    class Kind(models.TextChoices):
        ENTRY = "entry"
        EXIT = "exit"
        AGAIN = "again", "did it again"

    segment = models.ForeignKey(
        Segment,
        on_delete=models.DO_NOTHING,
        related_name="transitions",
        db_constraint=False,
        db_index=False,
    )
    profile = models.ForeignKey(
        Profile,
        on_delete=models.CASCADE,
        related_name="transitions",
        db_constraint=False,
    )
    kind = models.CharField(max_length=8, choices=Kind)
    event = models.ForeignKey(
        Event,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    at = models.DateTimeField(db_default=Now())
    # An exit of a part whose person was in as well: nobody left. Null, which takes no
    # room, for all others.
    is_by_merge = models.BooleanField(null=True, editable=False)

    class Meta:
        indexes = [
            # "Who has entered this segment since the last id that I saw?"
            models.Index(fields=["segment", "kind", "id"], name="transition_log"),
            # Where an event is deleted.
            models.Index(
                fields=["event"],
                name="transition_event",
                condition=Q(event__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.profile_id} / {self.segment_id}"


class LongList(models.Model):
    """Values of rules that few people are asked about (segments.rules.long_lists)."""

    digest = models.CharField(max_length=64, unique=True)
    used_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"List {self.digest[:8]}"


class LongListValue(models.Model):
    """One of them: a digest of it."""

    pk = models.CompositePrimaryKey("list_id", "key")
    list = models.ForeignKey(
        LongList,
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    key = models.BinaryField(max_length=16)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"A value of list {self.list_id}"


class Touched(models.Model):
    """Somebody who was evaluated while a segment was counted: the count leaves them be.

    What the count read of them is old. Of no worth after a crash of the database, as
    the count is not either: the table is not logged.
    """

    pk = models.CompositePrimaryKey("segment_id", "profile_id")
    segment = models.ForeignKey(
        Segment,
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    profile_id = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.profile_id} while {self.segment_id} was counted"
