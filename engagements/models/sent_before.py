"""Whom an engagement sent to: for ever, and a moment ago."""

from django.db import models

from segments.models import Profile


class SentBefore(models.Model):
    """Left of deliveries when they go (engagements.retention): "once" is for ever."""

    # No index: the unique constraint begins with the person, and finds both.
    engagement = models.ForeignKey(
        "Engagement", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    profile = models.ForeignKey(
        Profile,
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    sent_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "engagement"], name="sent_before_is_kept_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.profile_id} from {self.engagement_id}"


class JustSent(models.Model):
    """Somebody who was just sent something, and is yet to be asked by segments' rules.

    Written only while a rule asks for that (engagements.outbox.just_sent).
    """

    profile_id = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.profile_id)
