"""When somebody's events were taken in, where an engagement limits how many."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from segments.models import Profile


class TakenIn(models.Model):
    """The last times at which events of a person were taken in to be sent, oldest first.

    No more than Engagement.most_events; who was merged into somebody counts as that
    person. The database holds no reference to people, as with SentBefore.
    """

    pk = models.CompositePrimaryKey("profile_id", "engagement_id")
    profile = models.ForeignKey(
        Profile,
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    engagement = models.ForeignKey(
        "Engagement", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    times = ArrayField(models.DateTimeField())
    last_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        indexes = [
            # "What does no limit ask for any more?"
            models.Index(fields=["last_at"], name="taken_in_last")
        ]

    def __str__(self) -> str:
        return f"{self.profile_id} by {self.engagement_id}"
