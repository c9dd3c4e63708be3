"""Who was erased: enough to keep them out, and nothing that says who they were."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse


class Erasure(models.Model):
    """That somebody is erased: when, by whom, and how much went. No personal data.

    What is looked for (`keys`, `people`) is kept while it is at work, so that it goes on
    after a kill, and emptied when it is done.
    """

    class State(models.TextChoices):
        WORKING = "working", "At work"
        DONE = "done", "Done"

    at = models.DateTimeField(db_default=Now(), editable=False)
    # None where a command or an API asked for it.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    asked_through = models.CharField(max_length=255, editable=False)
    may_return = models.BooleanField(editable=False)
    state = models.CharField(max_length=8, choices=State, default=State.WORKING)
    # How many of what went, by what it is called on pages.
    went = models.JSONField(default=dict, editable=False)
    # Identifiers as [kind, value]; rows of people.
    keys = models.JSONField(default=list, editable=False)
    people = ArrayField(models.BigIntegerField(), default=list, editable=False)
    # The places that were gone through.
    done = models.JSONField(default=list, editable=False)
    # Why it is still at work; when it goes on by itself, and how often it has.
    problem = models.TextField(blank=True, default="", editable=False)
    next_at = models.DateTimeField(db_default=Now(), editable=False)
    tries = models.PositiveIntegerField(default=0, editable=False)
    # The External API that deletes them elsewhere, by id and name; what was answered.
    also_at_id = models.BigIntegerField(null=True, editable=False)
    also_at = models.CharField(max_length=255, blank=True, default="", editable=False)
    answer = models.TextField(blank=True, default="", editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        indexes = [
            # The tick's "what is to go on?"
            models.Index(
                fields=["next_at"],
                name="erasure_at_work",
                condition=Q(state="working"),
            )
        ]

    def __str__(self) -> str:
        return f"Erasure {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("admin:segments_erasure_change", args=[self.pk])


class Tombstone(models.Model):
    """That an identifier is of somebody who was erased.

    `fingerprint` is an HMAC of its kind and value (segments.identity.tombstones): who
    has a copy of this table alone cannot tell, nor try out, whose it is.
    """

    fingerprint = models.CharField(max_length=64, primary_key=True)
    erased_at = models.DateTimeField()
    # Whether what they do after they were erased makes a new person of them.
    may_return = models.BooleanField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Tombstone {self.fingerprint[:8]}"
