"""Why an engagement was stopped: in the mail to its owner, and on pages."""

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.db.models.functions import Now

from engagements.lifecycle import owner_mail
from engagements.models import Engagement
from tests import factories

pytestmark = pytest.mark.django_db

QUOTED = "The answer was: 400 “ann@example.com” and +49171234567 are not known"


@pytest.mark.parametrize("state", ["blocked", "ended"])
def test_the_mail_quotes_nobodys_address_or_number(state):
    """An answer that stopped it may quote them, and a mail is read on the way."""
    engagement = factories.make_engagement(
        state=state,
        blocked_reason=QUOTED,
        is_notice_due=True,
        created_by=factories.make_user(email="mia@example.com"),
    )
    assert owner_mail.tell_owners() == 1
    [letter] = mail.outbox
    assert "400 “a…@example.com” and +49…67 are not known" in letter.body
    assert "ann@" not in letter.body and "171234" not in letter.body
    # Its page has all of it.
    assert Engagement.objects.get(pk=engagement.pk).blocked_reason == QUOTED


def test_a_program_that_reads_the_mail_answers_nothing():
    factories.make_engagement(
        state="paused",
        is_notice_due=True,
        created_by=factories.make_user(email="mia@example.com"),
    )
    owner_mail.tell_owners()
    [letter] = mail.outbox
    assert letter.message()["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("state", ["blocked", "paused", "ended"])
def test_who_may_not_see_people_reads_the_reason_without_their_data(client, state):
    engagement = factories.make_engagement(state=state, blocked_reason=QUOTED)
    run = factories.make_run(engagement, state="sending")
    factories.make_batch(run)
    Engagement.objects.update(active_since=Now(), updated_at=Now())
    approver = factories.make_user(username="vera")
    approver.groups.add(Group.objects.get(name="Approver"))
    pages = [
        engagement.get_absolute_url(),
        "/admin/engagements/engagement/",
        "/admin/",
        "/admin/engagements/engagement/operations/",
    ]
    for who, is_shown in ((approver, False), (factories.make_admin(), True)):
        client.force_login(who)
        texts = [client.get(page).text for page in pages]
        assert not any("ann@example" in one for one in texts) or is_shown
        assert ("400 “ann@example.com” and +49171234567" in texts[0]) == is_shown
    assert "400 “a…@example.com”" in texts[1]
