"""Asking an Approver to activate what somebody built who may not activate it."""

from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db.models.functions import Now

from engagements.models import Engagement
from lemnisk_braze.lib.logs import get_logger

logger = get_logger(__name__)

PERMISSION = "engagements.activate_engagement"
BACKEND = "django.contrib.auth.backends.ModelBackend"
ASKABLE = (Engagement.State.DRAFT, Engagement.State.ENDED)
# Mails of one tick, and people of one mail: a slow mail server must not hold it up.
AT_ONCE = 5
APPROVERS_TOLD = 50


def ask(engagement: Engagement, user: User) -> bool:
    """Record who asks; False where it was asked already, or is not to be activated."""
    askable = Engagement.objects.filter(
        pk=engagement.pk, state__in=ASKABLE, asked_at=None
    )
    return bool(askable.update(asked_at=Now(), asked_by=user, is_asking_due=True))


def tell_approvers() -> int:
    """Mail whoever may activate about what was asked for; return how many mails."""
    due = Engagement.objects.filter(is_asking_due=True).select_related("asked_by")
    return sum(_tell(engagement) for engagement in due.order_by("pk")[:AT_ONCE])


def _tell(engagement: Engagement) -> bool:
    mine = Engagement.objects.filter(pk=engagement.pk, is_asking_due=True)
    if not mine.update(is_asking_due=False) or engagement.asked_at is None:
        return False
    if not (addresses := _addresses(engagement)):
        return False
    # A name with a line break in it would not be a subject.
    subject = f"“{' '.join(engagement.name.split())}” waits to be activated"
    # Hidden from each other: it is nobody's list of addresses.
    mail = EmailMessage(subject, _text(engagement), bcc=addresses)
    try:
        mail.send()
    except (OSError, SMTPException) as e:
        logger.warning("mail.failed", engagement_id=engagement.pk, because=e)
        return False
    return True


def _addresses(engagement: Engagement) -> list[str]:
    approvers = User.objects.with_perm(PERMISSION, backend=BACKEND)
    reachable = approvers.exclude(email="").order_by("pk")[:APPROVERS_TOLD]
    return [user.email for user in reachable if user != engagement.asked_by]


def _text(engagement: Engagement) -> str:
    link = settings.SITE_URL.rstrip("/") + engagement.get_absolute_url()
    who = engagement.asked_by or "Somebody"
    return (
        f"{who} asks you to activate the Engagement “{engagement}”.\n\n"
        f"Its page says whom it sends to and what. Nothing is sent before you press "
        f"Activate.\n\n{link}\n"
    )
