"""Files of people or events, on their way in."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.urls import reverse

from lemnisk_braze.lib.database_clock import ChangedAtField
from segments.models.feeds import SourceQuery, WatchedFolder
from segments.models.sources import Source


class Import(models.Model):
    """A file, what its columns mean, and how far it was read.

        uploaded ◄── reading        checking ──► ready ──► running ──► done
           └── somebody maps it ───────┘

    While a worker reads (`WORKING`), the row is its own for as long as its lease lasts.
    What is paused or failed goes on in its `phase`, where it was.
    """

    class State(models.TextChoices):
        READING = "reading", "Reading its columns"
        UPLOADED = "uploaded", "Waits for its columns"
        CHECKING = "checking", "Being checked"
        READY = "ready", "Waits for its start"
        RUNNING = "running", "Importing"
        PAUSED = "paused", "Paused"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    WORKING = (State.READING, State.CHECKING, State.RUNNING)

    name = models.CharField("file", max_length=255)
    state = models.CharField(max_length=16, choices=State, default=State.UPLOADED)
    phase = models.CharField(max_length=16, choices=State, blank=True, default="")
    problem = models.TextField(blank=True, default="")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    changed_at = ChangedAtField(editable=False)

    # The file: where it is kept under IMPORT_DIR, until it is old or done with.
    path = models.CharField(max_length=255, blank=True, default="")
    size = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True, default="")
    encoding = models.CharField(max_length=32, blank=True, default="")
    format = models.JSONField(default=dict)
    # What was found of each column, as mapping.columns.Column has it.
    columns = models.JSONField(default=list)
    rows = models.BigIntegerField(null=True)

    # What somebody decided: mapping.messages.Plan.
    plan = models.JSONField(default=dict)
    source = models.ForeignKey(
        Source, on_delete=models.PROTECT, null=True, related_name="+"
    )
    # It goes on by itself to its end: from a database, or from a watched folder. What
    # its columns become was said before anybody saw them: mapping.naming has it.
    is_automatic = models.BooleanField(default=False)
    said = models.JSONField(default=dict, db_default={})
    query = models.ForeignKey(
        SourceQuery, on_delete=models.SET_NULL, null=True, related_name="imports"
    )
    folder = models.ForeignKey(
        WatchedFolder, on_delete=models.SET_NULL, null=True, related_name="imports"
    )
    # Up to where the query's rows came, when all of these are in: feeding.watermark.
    watermark = models.JSONField(null=True)

    # How far this phase has come: rows.Position, and rows of each kind.
    offset = models.BigIntegerField(default=0)
    line = models.BigIntegerField(default=0)
    read = models.BigIntegerField(default=0)
    bad = models.BigIntegerField(default=0)
    # What the check found: people who are new, changed, the same; rows of one again.
    found = models.JSONField(default=dict)
    # Since when, and from which row on, the phase has gone on without a pause.
    phase_at = models.DateTimeField(null=True)
    phase_from = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    # When the last of it was in the inbox.
    appended_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    token = models.IntegerField(default=0)
    held_until = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # The tick's "what is to go on?"
            models.Index(
                fields=["held_until"],
                name="import_at_work",
                condition=models.Q(state__in=("reading", "checking", "running")),
            ),
            # "Was the same file here before?"
            models.Index(fields=["digest"], name="import_of_a_file"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:segments_import_change", args=[self.pk])


class BadRow(models.Model):
    """A row of a file that is no message, with its reason: the first MOST of each."""

    MOST = 100_000

    of = models.ForeignKey(
        Import, on_delete=models.CASCADE, related_name="bad_rows", db_index=False
    )
    line = models.BigIntegerField()
    reason = models.TextField()
    # Its cells as JSON in ASCII: a text may have what jsonb does not take.
    cells = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["of", "line"], name="bad_rows_of_an_import")]

    def __str__(self) -> str:
        return f"Line {self.line}"


class FoundPerson(models.Model):
    """Somebody whom a file names, while it is checked: what it would change of them.

    `key` is a hash of who it is; `changes` are the values that differ from today's,
    after all rows so far.
    """

    class Kind(models.TextChoices):
        NEW = "new"
        CHANGED = "changed"
        SAME = "same"

    pk = models.CompositePrimaryKey("of_id", "key")
    of = models.ForeignKey(
        Import, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    key = models.BigIntegerField()
    kind = models.CharField(max_length=8, choices=Kind)
    changes = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
