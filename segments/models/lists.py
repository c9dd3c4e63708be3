"""Lists of identifiers that somebody uploads: a rule may ask who is on one."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from lemnisk_braze.lib.database_clock import ChangedAtField

# In characters, as the longest external ID.
_MAX = 987


class UploadedList(models.Model):
    """Identifiers of one kind. Who has one of them is on the list, whenever they appear."""

    name = models.CharField(max_length=255, unique=True)
    # Of Identifier.Kind, or a name of the customer's own, such as "loyalty_card".
    kind = models.CharField("identifier", max_length=64)
    size = models.BigIntegerField("identifiers", default=0, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    changed_at = ChangedAtField(editable=False)

    class Meta:
        verbose_name = "list"

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:segments_uploadedlist_change", args=[self.pk])


class ListEntry(models.Model):
    """An identifier that is on a list, in the form in which identifiers are kept.

    What deletes a list takes care of its entries (segments.lists.changes).
    """

    pk = models.CompositePrimaryKey("of_id", "value")
    of = models.ForeignKey(
        UploadedList,
        on_delete=models.DO_NOTHING,
        related_name="entries",
        db_constraint=False,
        db_index=False,
    )
    value = models.CharField(max_length=_MAX)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.value


class ListUpload(models.Model):
    """A file of identifiers on its way to a list: read, looked at, and then written.

        uploaded ──► reading ──► ready ──► writing ──► done
        (where nobody knows which column it is)

    While a worker is at it (`WORKING`), the row is its own for as long as its lease
    lasts; after a kill the next one begins at what is noted.
    """

    class State(models.TextChoices):
        UPLOADED = "uploaded", "Waits for its column"
        READING = "reading", "Being read"
        READY = "ready", "Waits for a decision"
        WRITING = "writing", "Being written"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    class Mode(models.TextChoices):
        ADD = "add", "Add to the list"
        REPLACE = "replace", "Replace the list"

    WORKING = (State.READING, State.WRITING)

    of = models.ForeignKey(
        UploadedList, on_delete=models.CASCADE, related_name="uploads"
    )
    mode = models.CharField(max_length=8, choices=Mode)
    state = models.CharField(max_length=16, choices=State)
    problem = models.TextField(blank=True, default="")
    name = models.CharField("file", max_length=255)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    changed_at = ChangedAtField(editable=False)
    finished_at = models.DateTimeField(null=True)

    # The file, until it is read: where it is under IMPORT_DIR; reading.formats.Format.
    path = models.CharField(max_length=255, blank=True, default="")
    bytes = models.BigIntegerField(default=0)
    format = models.JSONField(default=dict)
    # Which column has the identifiers; whether the first row is one of names.
    column = models.IntegerField(null=True)
    has_names = models.BooleanField(default=False)

    # How far it is read (rows.Position), and rows so far.
    offset = models.BigIntegerField(default=0)
    line = models.BigIntegerField(default=0)
    rows = models.BigIntegerField(default=0)
    # How many rows are of each ListLine.Kind, once all are read; how many entries go.
    found = models.JSONField(default=dict)
    going = models.BigIntegerField(default=0)
    # Some of the people who come to be on the list and who do not any more, by id, and
    # how many they are of all: changes.Sample.
    sample = models.JSONField(default=dict)

    # Written as soon as it is read: a query's rows (segments.lists.asking).
    writes_itself = models.BooleanField(default=False, db_default=False)
    token = models.IntegerField(default=0)
    held_until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [
            # The tick's "what is to go on?"
            models.Index(
                fields=["held_until"],
                name="list_upload_at_work",
                condition=Q(state__in=("reading", "writing")),
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:segments_uploadedlist_read", args=[self.of_id, self.pk])


class ListLine(models.Model):
    """A row of an upload, and what it comes to: each is of one kind.

    Kept for as long as files are, so that the rows that came to nothing can be seen.
    """

    class Kind(models.TextChoices):
        NEW = "new", "New on the list"
        ALREADY = "already", "On the list already"
        UNKNOWN = "unknown", "Of nobody we know"
        BLANK = "blank", "Blank"
        TWICE = "twice", "Said twice"
        REFUSED = "refused", "No such identifier"

    MAX_IDENTIFIER = _MAX

    upload = models.ForeignKey(
        ListUpload,
        on_delete=models.CASCADE,
        related_name="lines",
        # A million rows would pay for it; what deletes uploads takes care of them.
        db_constraint=False,
        db_index=False,
    )
    line = models.BigIntegerField()
    # An identifier as it is kept; of what is refused the text as it came.
    value = models.CharField(max_length=_MAX)
    kind = models.CharField(max_length=8, choices=Kind)
    reason = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["upload", "line"], name="lines_of_an_upload"),
            # "Was it said before?"
            models.Index(fields=["upload", "value"], name="value_of_an_upload"),
        ]

    def __str__(self) -> str:
        return f"Line {self.line}"
