"""Mails about approvals: to who may answer, and the answer to who asked.

A link leads to the page, where it is answered after signing in: nothing is answered by
opening a link, which programs that read mails do as well.
"""

from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.mail import EmailMessage
from django.utils.text import Truncator

from engagements.lifecycle import approval
from engagements.models import Approval
from engagements.reporting import approved_changes, listening
from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.logs import get_logger
from segments.naming import scrubbed

logger = get_logger(__name__)

# Mails of one tick, and people of one mail: a slow mail server must not hold it up.
AT_ONCE = 5
APPROVERS_TOLD = 50
# Lines of what has changed, and characters of each: the page has all of them.
LINES, LONGEST = 40, 500


def tell() -> int:
    """Mail what waits, and what was answered; return how many mails.

    Each is told once, or not at all: a mail that fails costs a line in the log.
    """
    found = Approval.objects.select_related(
        "asked_by",
        "answered_by",
        "run",
        "engagement__created_by",
        "engagement__version__connection",
    )
    asked = found.filter(is_asking_due=True, state=Approval.State.WAITING)
    answered = found.filter(is_answer_due=True)
    mails = sum(_ask(one) for one in asked.order_by("pk")[:AT_ONCE])
    return mails + sum(_answer(one) for one in answered.order_by("pk")[:AT_ONCE])


def _ask(row: Approval) -> bool:
    if not _is_mine(row, "is_asking_due"):
        return False
    people = approval.approvers(row)
    addresses = [user.email for user in people if user.email][:APPROVERS_TOLD]
    # Hidden from each other: it is nobody's list of addresses.
    subject = f"“{_name(row)}” waits for approval"
    letter = EmailMessage(subject, _asking_text(row), bcc=addresses)
    letter.extra_headers["To"] = "undisclosed-recipients:;"
    return _send(row, letter)


def _answer(row: Approval) -> bool:
    if not _is_mine(row, "is_answer_due"):
        return False
    who = row.asked_by or row.engagement.created_by
    if who is None or not who.email or who == row.answered_by:
        return False
    subject = f"“{_name(row)}” was {row.get_state_display().lower()}"
    return _send(row, EmailMessage(subject, _answer_text(row), to=[who.email]))


def _is_mine(row: Approval, flag: str) -> bool:
    mine = Approval.objects.filter(pk=row.pk, **{flag: True})
    return bool(mine.update(**{flag: False}))


def _send(row: Approval, mail: EmailMessage) -> bool:
    if not mail.recipients():
        return False
    # RFC 3834: who is away does not answer it.
    mail.extra_headers["Auto-Submitted"] = "auto-generated"
    try:
        mail.send()
    except (OSError, SMTPException) as e:
        logger.warning("mail.failed", engagement_id=row.engagement_id, because=e)
        return False
    return True


def _name(row: Approval) -> str:
    # A name with a line break in it would not be a subject.
    return " ".join(row.engagement.name.split())


def _asking_text(row: Approval) -> str:
    begins = f"{row.asker} asks for approval of the Engagement “{_name(row)}”."
    if row.run_id and not row.asked_by:
        begins = f"A run of the Engagement “{_name(row)}” has stopped, and waits."
    said = [f"{begins}\n", _people(row)]
    if row.above is not None and row.people > row.above:
        said.append(f"Above {row.above:,} a second person approves.")
    return "\n".join(
        [
            *said,
            "",
            *_changes(row),
            "",
            "Nothing is sent before it is approved. Look at it and answer here, after"
            " you have signed in:",
            "",
            _link(row),
            "",
        ]
    )


def _people(row: Approval) -> str:
    if not row.people and row.engagement.listens:
        trigger = listening.in_words(row.engagement)
        return (
            "At once it would take in nobody. It sends"
            f" {trigger[0].lower()}{trigger[1:]}."
        )
    people = counted(row.people, "person", "people")
    return f"It would take in {people}{_a_day(row)}."


def _a_day(row: Approval) -> str:
    return " today" if row.run and row.run.is_standing else ""


def _changes(row: Approval) -> list[str]:
    last = approved_changes.since(row)
    heading = "What it sends has changed since it was approved last:"
    if last.before is None:
        heading = "It was not approved before. What it sends:"
    elif not last.lines:
        return ["What it sends is what was approved last."]
    # A rule may name somebody by an address, and a mail is read on the way.
    said = (scrubbed(line.in_words, AnonymousUser()) for line in last.lines)
    lines = [f"- {Truncator(text).chars(LONGEST)}" for text in said]
    more = len(lines) - LINES
    if more > 0:
        lines[LINES:] = [f"and {more:,} more, which its page has."]
    return [heading, *lines]


def _answer_text(row: Approval) -> str:
    who = row.answered_by or "Somebody"
    if row.state == Approval.State.WITHDRAWN:
        begins = f"{who} has withdrawn what you asked for"
        said = [f"{begins}: approval of the Engagement “{_name(row)}”."]
    elif row.state == Approval.State.APPROVED:
        said = [f"{who} has approved the Engagement “{_name(row)}”: it is active."]
    else:
        ends = "It has ended." if row.run_id else "Nothing is sent."
        said = [f"{who} has declined the Engagement “{_name(row)}”. {ends}"]
    if row.why:
        said += ["", f"Why: {row.why}"]
    return "\n".join([*said, "", _link(row), ""])


def _link(row: Approval) -> str:
    site: str = settings.SITE_URL.rstrip("/")
    return site + row.get_absolute_url()
