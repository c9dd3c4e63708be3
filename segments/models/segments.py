"""People, what they did, and the segments that they are in."""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from lemnisk_braze.lib.database_clock import ChangedAtField
from segments.models import stored


class Source(models.Model):
    """Where data comes from: a website, an app, a server, each with its write key."""

    name = models.CharField(max_length=255, unique=True)
    write_key_hash = models.CharField(max_length=64, unique=True, editable=False)
    write_key_last_four = models.CharField(max_length=4, editable=False)
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.name


class Profile(models.Model):
    """One person."""

    # Attributes that are parts of a name, in the order in which they are said.
    NAME_ATTRIBUTES = ("first_name", "last_name", "name", "full_name")

    external_id = models.CharField(
        "external ID", max_length=987, unique=True, null=True, blank=True
    )
    email = models.CharField(max_length=320, blank=True, db_default="")
    phone = models.CharField(max_length=32, blank=True, db_default="")
    attributes = models.JSONField(
        default=dict,
        blank=True,
        encoder=DjangoJSONEncoder,
        decoder=stored.Decoder,
        db_default={},
    )
    # Set when this anonymous person turned out to be someone known: the row stays, for
    # what was once sent to it, but it holds nothing and no segment takes it in.
    merged_into = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
        indexes = [
            # The people page's search by how an e-mail address or a phone begins.
            models.Index(
                fields=["email"],
                opclasses=["varchar_pattern_ops"],
                name="profile_email",
                condition=~Q(email=""),
            ),
            models.Index(
                fields=["phone"],
                opclasses=["varchar_pattern_ops"],
                name="profile_phone",
                condition=~Q(phone=""),
            ),
        ]

    def __str__(self) -> str:
        return self.external_id or self.email or self.phone or f"anonymous {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("admin:segments_profile_change", args=[self.pk])

    @property
    def called(self) -> str:
        """The name that people know them by; without one what they are found by."""
        first, last, *others = (self.attributes.get(n) for n in self.NAME_ATTRIBUTES)
        names = [name for name in (first, last) if isinstance(name, str)]
        if whole := " ".join(" ".join(names).split()):
            return whole
        said = (" ".join(name.split()) for name in others if isinstance(name, str))
        return next(filter(None, said), str(self))


class Identifier(models.Model):
    """Another name of a person: an anonymous id of one device, a user alias."""

    class Kind(models.TextChoices):
        ANONYMOUS_ID = "anonymous_id", "anonymous ID"

    kind = models.CharField(max_length=16, choices=Kind)
    value = models.CharField(max_length=255)
    profile = models.ForeignKey(
        Profile, on_delete=models.CASCADE, related_name="identifiers"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "value"], name="identifier_names_one_person"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.value}"


class Event(models.Model):
    """Something that a person did at a time."""

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+")
    message_id = models.CharField(max_length=255)
    profile = models.ForeignKey(
        Profile, models.CASCADE, related_name="events", verbose_name="person"
    )
    name = models.CharField(max_length=255)
    time = models.DateTimeField()
    properties = models.JSONField(
        default=dict, encoder=DjangoJSONEncoder, decoder=stored.Decoder
    )
    received_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "message_id"], name="event_message_is_kept_once"
            )
        ]
        indexes = [
            # Rules: "did X at least n times within d days", over everybody.
            models.Index(
                fields=["name", "time"], include=["profile"], name="event_name_time"
            ),
            # The same for one person after an event, and a person's activity.
            models.Index(
                fields=["profile", "name", "-time"], name="event_profile_name"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.time:%Y-%m-%d %H:%M:%S %Z}"


class InboxMessage(models.Model):
    """A message that the tracking API accepted and a worker applies in sets."""

    class Kind(models.TextChoices):
        IDENTIFY = "identify"
        TRACK = "track"

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+")
    message_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=16, choices=Kind)
    payload = models.JSONField()
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    applied_at = models.DateTimeField(null=True, editable=False)
    error = models.TextField(blank=True, db_default="", editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "message_id"], name="inbox_message_is_kept_once"
            )
        ]
        indexes = [
            # The worker's "what is not applied yet, oldest first".
            models.Index(
                fields=["id"], name="inbox_pending", condition=Q(applied_at=None)
            ),
            # "How many were refused lately?"
            models.Index(
                fields=["applied_at"], name="inbox_refused", condition=~Q(error="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.message_id}"


class Segment(models.Model):
    """A rule over attributes and events that people enter and leave."""

    name = models.CharField(max_length=255, unique=True)
    description = models.TextField(blank=True)
    rule = models.JSONField(
        default=dict,
        help_text="The rule tree; segments/rules/tree.py draws its grammar.",
    )
    # The names of the events that the rule reads: an event wakes only these segments.
    event_names = models.JSONField(default=list, editable=False)
    is_active = models.BooleanField("active", default=True)
    size = models.PositiveIntegerField("people", default=0, editable=False)
    refreshed_at = models.DateTimeField(null=True, editable=False)
    # Why it could not be counted: until it can, nobody enters and nobody leaves.
    problem = models.TextField(blank=True, db_default="", default="", editable=False)
    problem_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # Compared with refreshed_at: both are the database's.
    updated_at = ChangedAtField(editable=False)

    class Meta:
        indexes = [
            # "Which segments read the event that has just come in?"
            GinIndex(fields=["event_names"], name="segment_event_names")
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:segments_segment_change", args=[self.pk])


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

    That is the newest that then satisfied one of the rule's conditions (rules.causes);
    none where the rule holds without one. After a change of the rule it is the newest
    that satisfies the new one.
    """

    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, related_name="memberships"
    )
    profile = models.ForeignKey(
        Profile, on_delete=models.CASCADE, related_name="memberships"
    )
    event = models.ForeignKey(
        Event, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    since = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Also the keyset read of a segment's people in order of profile.
            models.UniqueConstraint(
                fields=["segment", "profile"], name="membership_is_held_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.profile_id} in {self.segment_id}"


class Transition(models.Model):
    """The log of entries and exits; rows are only ever added.

    Every writer holds its segment's row lock to the end of its transaction, so within
    one segment ids are committed in order: a reader may keep "the last id I saw".
    """

    class Kind(models.TextChoices):
        ENTRY = "entry"
        EXIT = "exit"

    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, related_name="transitions"
    )
    profile = models.ForeignKey(
        Profile, on_delete=models.CASCADE, related_name="transitions"
    )
    kind = models.CharField(max_length=8, choices=Kind)
    event = models.ForeignKey(
        Event, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # "Who has entered this segment since the last id that I saw?"
            models.Index(fields=["segment", "kind", "id"], name="transition_log")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.profile_id} / {self.segment_id}"
