"""Telling an engagement's owner that it was stopped, or that a run mostly failed."""

from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.mail import EmailMessage

from engagements.models import Engagement
from lemnisk_braze.lib.logs import get_logger
from segments.naming import scrubbed

logger = get_logger(__name__)

# Mails of one tick: a mail server that is slow must not hold it up.
AT_ONCE = 5


def tell_owners() -> int:
    """Mail the owners of engagements that the engine stopped; return how many mails.

    Each is told once, or not at all: a mail that fails costs a line in the log.
    """
    due = Engagement.objects.filter(is_notice_due=True).select_related("created_by")
    return sum(_tell(engagement) for engagement in due.order_by("pk")[:AT_ONCE])


def _tell(engagement: Engagement) -> bool:
    mine = Engagement.objects.filter(pk=engagement.pk, is_notice_due=True)
    if not mine.update(is_notice_due=False):
        return False
    # Its reason may quote somebody's value: it stands on the engagement's page.
    is_stopped = _is_stopped(engagement)
    logger.warning(
        "engagement.stopped" if is_stopped else "engagement.mostly_failed",
        engagement_id=engagement.pk,
    )
    address = engagement.created_by.email if engagement.created_by else ""
    if not address:
        return False
    try:
        # RFC 3834: who is away does not answer it.
        headers = {"Auto-Submitted": "auto-generated"}
        text = _text(engagement)
        EmailMessage(_subject(engagement), text, to=[address], headers=headers).send()
    except (OSError, SMTPException) as e:
        logger.warning("mail.failed", engagement_id=engagement.pk, because=e)
        return False
    return True


def _subject(engagement: Engagement) -> str:
    # A name with a line break in it would not be a subject.
    name = " ".join(engagement.name.split())
    if _is_stopped(engagement):
        return f"“{name}” was stopped"
    return f"“{name}”: its run mostly failed"


def _is_stopped(engagement: Engagement) -> bool:
    return engagement.state in (Engagement.State.PAUSED, Engagement.State.BLOCKED)


def _text(engagement: Engagement) -> str:
    link = settings.SITE_URL.rstrip("/") + engagement.get_absolute_url()
    # It may quote somebody's value, and a mail is read on the way.
    reason = scrubbed(engagement.blocked_reason, AnonymousUser())
    if not _is_stopped(engagement):
        return (
            f"The last run of the Engagement “{engagement}” mostly failed.\n\n"
            f"{reason}\n\n{link}\n"
        )
    return (
        f"The Engagement “{engagement}” was stopped.\n\n{reason}\n\n"
        f"Nobody was lost: who was not sent waits in line.\n\n{link}\n"
    )
