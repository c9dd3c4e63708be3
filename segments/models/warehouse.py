"""Lists that a database of the company's own keeps: a query, asked on a schedule."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from segments.models.feeds import SourceQuery
from segments.models.lists import UploadedList


class ListFeed(models.Model):
    """A query whose rows name who is on a list: what it gives replaces the list.

    It is asked with the address of a SQL source. `changed_at`: when somebody last changed
    what is asked; null: nobody since it was made. What is given first after a change
    waits for a decision, as an upload does.
    """

    of = models.OneToOneField(
        UploadedList, on_delete=models.CASCADE, related_name="feed"
    )
    source = models.ForeignKey(
        SourceQuery,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name="database",
    )
    query = models.TextField()
    column = models.CharField(max_length=255)
    every = models.PositiveIntegerField(
        "asked", choices=SourceQuery.Every, default=SourceQuery.Every.DAY
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
    )
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(null=True)
    # What went wrong last; "" since it went well.
    problem = models.TextField(blank=True, db_default="", default="")
    asked_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    held_until = models.DateTimeField(null=True)
    last_rows = models.BigIntegerField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"What keeps {self.of}"
