"""What brings people in again and again by itself: queries of databases, and folders."""

from django.db import models
from django.db.models.functions import Now
from django.urls import reverse

from lemnisk_braze.lib import sealing
from segments.models.sources import Source


class Feed(models.Model):
    """What is said once of all files that it will bring.

    `columns`: what they become, as `import_people --map` takes it.
    """

    class Makes(models.TextChoices):
        PEOPLE = "people", "People"
        EVENTS = "events", "Events"

    class Empty(models.TextChoices):
        KEEP = "keep", "keeps what is known"
        CLEAR = "clear", "clears it"

    name = models.CharField(max_length=255, unique=True)
    is_active = models.BooleanField("active", default=True)
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+")
    makes = models.CharField(
        "rows are", max_length=8, choices=Makes, default=Makes.PEOPLE
    )
    event = models.CharField("name of all events", max_length=255, blank=True)
    columns = models.TextField(blank=True)
    empty = models.CharField(
        "an empty cell", max_length=8, choices=Empty, default=Empty.KEEP
    )
    zone = models.CharField("zone of times without one", max_length=64, default="UTC")
    country = models.CharField(
        "country of phones without a code", max_length=2, blank=True
    )
    # What went wrong last; "" since it went well.
    problem = models.TextField(blank=True, db_default="", editable=False)
    looked_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class WatchedFolder(Feed):
    """A folder whose files are imported, each content once.

    `seen`: what was there at the last look, a name → [bytes, time of its last change,
    digest or ""]. A file that is still the same at the next one is whole.
    """

    path = models.CharField("folder", max_length=500, unique=True)
    seen = models.JSONField(default=dict, db_default={}, editable=False)

    def get_absolute_url(self) -> str:
        return reverse("admin:segments_watchedfolder_change", args=[self.pk])


class SourceQuery(Feed):
    """A query of a database whose rows are imported, at once or those that are new.

    The address holds a password: it is encrypted, and shown without. `look_back`: so
    many seconds before the watermark (or so many numbers) are read again each time, for
    what was stamped early and committed late.
    """

    class Kind(models.TextChoices):
        POSTGRESQL = "postgresql", "PostgreSQL"
        DUCKDB = "duckdb", "DuckDB"
        SNOWFLAKE = "snowflake", "Snowflake (untested)"
        BIGQUERY = "bigquery", "BigQuery (untested)"
        FLIGHT_SQL = "flightsql", "Flight SQL (untested)"

    class Every(models.IntegerChoices):
        NEVER = 0, "only by hand"
        QUARTER = 15, "every 15 minutes"
        HOUR = 60, "every hour"
        SIX_HOURS = 360, "every 6 hours"
        DAY = 1_440, "every 24 hours"

    kind = models.CharField("database", max_length=16, choices=Kind)
    address_encrypted = models.TextField(blank=True, db_default="", editable=False)
    address_shown = models.CharField(
        "address", max_length=255, blank=True, db_default="", editable=False
    )
    query = models.TextField()
    watermark_column = models.CharField(max_length=255, blank=True)
    look_back = models.PositiveIntegerField("look back", default=600)
    every = models.PositiveIntegerField(
        "runs", choices=Every, default=Every.NEVER, db_default=0
    )
    # [type, text] of the largest value that came in; null: nothing yet.
    watermark = models.JSONField(null=True, editable=False)
    due_at = models.DateTimeField(null=True, editable=False)
    held_until = models.DateTimeField(null=True, editable=False)
    last_rows = models.BigIntegerField(null=True, editable=False)

    class Meta:
        verbose_name = "SQL source"

    def get_absolute_url(self) -> str:
        return reverse("admin:segments_sourcequery_change", args=[self.pk])


sealing.FIELDS.append(("segments.SourceQuery", "address_encrypted"))
