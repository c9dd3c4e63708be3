"""What Braze last accepted of a person from an engagement, in hashes."""

from django.db import models

from segments.models import Profile


class Accepted(models.Model):
    """A person's state with an engagement that compares (engagements.sync.state).

    `state` is 8 bytes of hash of all that was rendered; where deltas are sent, 12 more
    for each attribute. `doubt`: the attempt of which nobody knows whether it was taken;
    then only the names of the attributes are known. What is of another `epoch` than the
    engagement's was forgotten by a full resync, but for the names, too.
    """

    # No number of its own: it would be written into one more index with each row.
    pk = models.CompositePrimaryKey("engagement_id", "profile_id")
    # The unique constraint begins with it, and gives its people in order. Rows are made
    # out of rows that exist, so the database is not asked once more for each.
    engagement = models.ForeignKey(
        "Engagement",
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    profile = models.ForeignKey(
        Profile,
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    epoch = models.SmallIntegerField(default=0, db_default=0)
    doubt = models.UUIDField(null=True)
    state = models.BinaryField(default=b"")

    class Meta:
        verbose_name_plural = "accepted"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["engagement", "profile"], name="accepted_is_kept_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.profile_id} from {self.engagement_id}"
