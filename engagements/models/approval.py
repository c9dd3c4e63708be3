"""That a second person approves of sending to many people."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from engagements.models.run import Run


class ApprovalLimit(models.Model):
    """Above how many people a run needs a second person; one row, or none: never."""

    above = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()
        # Not an Approver's: who is watched does not set what is watched.
        permissions = [
            ("set_approval", "Can set above how many people a second person approves")
        ]

    def __str__(self) -> str:
        return f"above {self.above:,}"


class Approval(models.Model):
    """Somebody asks that an engagement may send, and somebody answers.

    `content` is what was asked about, and once approved, what was approved, with its
    `digest` (engagements.guards.approved); then it may be sent to `most` people a run.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waits for approval"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"
        CLOSED = "closed", "Not needed any more"

    engagement = models.ForeignKey(
        "Engagement", on_delete=models.CASCADE, related_name="approvals"
    )
    # The run that waits for it; none where somebody asked.
    run = models.ForeignKey(
        Run, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    # None: a run did, by itself.
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
    )
    asked_at = models.DateTimeField(db_default=Now())
    # Whom a run would take in, as far as was known then; and above which number that
    # takes a second person.
    people = models.PositiveBigIntegerField()
    above = models.PositiveIntegerField(null=True)
    content = models.JSONField()
    digest = models.CharField(max_length=64)
    most = models.PositiveBigIntegerField(null=True)
    # Or who withdrew it, and when.
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
    )
    answered_at = models.DateTimeField(null=True)
    why = models.CharField(max_length=500, blank=True)
    # Approvers are still to be told that it waits; whoever asked, how it was answered.
    is_asking_due = models.BooleanField(default=True)
    is_answer_due = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["engagement"],
                condition=Q(state="waiting"),
                name="approval_is_asked_for_once",
            )
        ]
        indexes = [
            # "Who is still to be told?"
            models.Index(
                fields=["id"],
                name="approval_to_tell",
                condition=Q(is_asking_due=True) | Q(is_answer_due=True),
            )
        ]

    def __str__(self) -> str:
        return f"Approval of “{self.engagement}”"

    def get_absolute_url(self) -> str:
        args = [self.engagement_id, self.pk]
        return reverse("admin:engagements_engagement_approval", args=args)

    @property
    def asker(self) -> str:
        """Who asked, in words, as a sentence begins."""
        if self.asked_by:
            return str(self.asked_by)
        return "A run" if self.run_id else "Somebody who is not here any more"

    @property
    def kept_run(self) -> Run | None:
        """The run whose version and values are asked about.

        None: the engagement's, as a standing run takes them over when it goes on.
        """
        return None if self.run is None or self.run.is_standing else self.run

    @property
    def withdrawal_url(self) -> str:
        """Where who asked, or may edit the engagement, takes it back."""
        args = [self.engagement_id, self.pk]
        return reverse("admin:engagements_engagement_withdraw", args=args)

    @property
    def is_open(self) -> bool:
        return self.state == self.State.WAITING
