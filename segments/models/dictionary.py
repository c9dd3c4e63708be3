"""What people's data is called: attributes, events and their properties."""

from collections.abc import Mapping

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from segments.models.sources import Source


class ValueType(models.TextChoices):
    """What a value is; counts of them stand in this order."""

    TEXT = "text", "text"
    NUMBER = "number", "number"
    BOOLEAN = "boolean", "true or false"
    DATE = "date", "date"
    LIST = "list", "list"
    OBJECTS = "objects", "list of objects"
    OBJECT = "object", "object"
    NULL = "null", "null"


# A count of each type.
NO_TYPES = [0] * len(ValueType)


def no_types() -> list[int]:
    return list(NO_TYPES)


class DictionaryEntry(models.Model):
    """A name that data came under: how often, as what, and what people say of it.

    No value is kept here: examples are read from the people and events that there are,
    so that who is erased is not in them. What comes in is counted by whoever applies it,
    in the transaction that does; types are those of a sample, weighed, where much came
    at once. What people decide about it stands below.
    """

    class Kind(models.TextChoices):
        ATTRIBUTE = "attribute", "Attribute"
        EVENT = "event", "Event"
        PROPERTY = "property", "Property"

    class Personal(models.TextChoices):
        EMAIL = "email", "an e-mail address"
        PHONE = "phone", "a phone number"
        NAME = "name", "a name"
        BIRTH = "birth", "a date of birth"

    class Mismatch(models.TextChoices):
        FLAG = "flag", "Keep it, and count it here"
        DROP = "drop", "Leave the value out, and keep the rest"
        REFUSE = "refuse", "Refuse the message; it can be sent in again"

    kind = models.CharField(max_length=16, choices=Kind, editable=False)
    # Of a property, the name of its event.
    event = models.CharField(
        max_length=255, blank=True, db_default="", default="", editable=False
    )
    name = models.CharField(max_length=255, editable=False)
    # Who brought it first, and in whose budget it is.
    source = models.ForeignKey(
        Source,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
    )
    # Source's id → when it last sent it.
    sources = models.JSONField(default=dict, db_default={}, editable=False)
    count = models.PositiveBigIntegerField(
        "times seen", default=0, db_default=0, editable=False
    )
    is_count_estimated = models.BooleanField(
        default=False, db_default=False, editable=False
    )
    types = ArrayField(models.BigIntegerField(), default=no_types, editable=False)
    # The same of the newest day (UTC) on which it came, and of the day before it.
    day = models.DateField(null=True, editable=False)
    day_types = ArrayField(models.BigIntegerField(), default=no_types, editable=False)
    day_before_types = ArrayField(
        models.BigIntegerField(), default=no_types, editable=False
    )
    mismatches = models.PositiveBigIntegerField(
        "values of another type", default=0, db_default=0, editable=False
    )
    mismatched_at = models.DateTimeField(null=True, editable=False)
    first_seen = models.DateTimeField(db_default=Now(), editable=False)
    # By the minute.
    last_seen = models.DateTimeField(db_default=Now(), editable=False)
    # Of so many people who were asked, so many have it, or did it (dictionary.shares).
    people = models.PositiveBigIntegerField(null=True, editable=False)
    people_asked = models.PositiveBigIntegerField(null=True, editable=False)
    is_share_estimated = models.BooleanField(
        default=False, db_default=False, editable=False
    )
    asked_at = models.DateTimeField(null=True, editable=False)
    # What its name, or the form of its values, makes one think.
    looks_personal = models.CharField(
        max_length=8, choices=Personal, blank=True, db_default="", editable=False
    )

    description = models.TextField(
        blank=True,
        db_default="",
        help_text="What it means, and where it comes from, for whoever picks it.",
    )
    owner = models.CharField(
        max_length=255,
        blank=True,
        db_default="",
        help_text="Who to ask: a person or a team.",
    )
    # None: as it looks.
    is_personal = models.BooleanField("personal data", null=True, blank=True)
    expected_type = models.CharField(
        max_length=8,
        choices=ValueType,
        blank=True,
        db_default="",
        help_text="Nothing is checked where this is empty.",
    )
    on_mismatch = models.CharField(
        "a value of another type",
        max_length=8,
        choices=Mismatch,
        default=Mismatch.FLAG,
        db_default=Mismatch.FLAG,
    )
    is_planned = models.BooleanField(
        "planned",
        default=False,
        db_default=False,
        help_text="Somebody knows of it, and wants it.",
    )
    is_hidden = models.BooleanField(
        "hidden",
        default=False,
        db_default=False,
        help_text="It is still taken in, and not offered where a name is picked.",
    )

    class Meta:
        verbose_name = "dictionary entry"
        verbose_name_plural = "dictionary"
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "event", "name"], name="dictionary_has_a_name_once"
            )
        ]
        indexes = [
            # What each chunk of the inbox is held against.
            models.Index(
                fields=["id"],
                name="dictionary_expects",
                condition=~Q(expected_type=""),
            ),
            # How much of a source's budget is used.
            models.Index(
                fields=["source", "kind", "event"], name="dictionary_of_a_source"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} · {self.name}" if self.event else self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:segments_dictionaryentry_change", args=[self.pk])

    @property
    def holds_personal_data(self) -> bool:
        """As somebody said, or else as it looks."""
        if self.is_personal is None:
            return bool(self.looks_personal)
        return self.is_personal

    @property
    def type_counts(self) -> Mapping[str, int]:
        """How many values of each type there were, the most frequent first."""
        counts = zip(ValueType.values, self.types, strict=True)
        return dict(sorted(counts, key=lambda each: -each[1]))


class NamesSeen(models.Model):
    """What a chunk of messages told of names, until it is added to the dictionary.

    Written with what the messages say, and gone with being added: so each is counted
    once, and applying a message costs no look at the dictionary. No value is in it.
    """

    at = models.DateTimeField(db_default=Now(), editable=False)
    # JSON of segments.dictionary.folding.
    body = models.TextField()

    def __str__(self) -> str:
        return f"Names seen {self.pk}"


class DictionaryBuild(models.Model):
    """How far the dictionary has read what was stored before it was there.

    `table`: "people" or "events", by ids up to `until_id`. Of a large one every so
    manieth piece is read, `every`, and counted for all of them.
    """

    class Table(models.TextChoices):
        PEOPLE = "people", "people"
        EVENTS = "events", "events"

    table = models.CharField(max_length=8, primary_key=True, choices=Table)
    next_id = models.BigIntegerField(db_default=0, default=0)
    until_id = models.BigIntegerField()
    every = models.PositiveIntegerField()
    rows = models.PositiveBigIntegerField(db_default=0, default=0)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.table}: {self.percent} %"

    @property
    def percent(self) -> int:
        if self.finished_at or not self.until_id:
            return 100
        return min(99, self.next_id * 100 // self.until_id)
