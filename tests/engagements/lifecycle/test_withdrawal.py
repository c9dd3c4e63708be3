"""A question for approval is taken back: by whom, and what its link says then."""

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from engagements.guards import approved
from engagements.lifecycle import approval, approval_mail
from engagements.models import Approval
from engagements.tick import tick
from tests import factories
from tests.engagements.lifecycle.conftest import (
    PEOPLE,
    answer,
    asked_of,
    member,
    seen,
    signed_in,
)
from tests.pages import words

pytestmark = pytest.mark.django_db


def url(one: Approval) -> str:
    args = [one.engagement_id, one.pk]
    return reverse("admin:engagements_engagement_withdraw", args=args)


def test_who_asked_withdraws_it(asked, draft, mia, vera):
    client = signed_in(mia)
    page = client.get(draft.get_absolute_url()).text
    assert f'href="{url(asked)}"' in page
    assert f'href="{url(asked)}"' in client.get(asked.get_absolute_url()).text
    page = words(client.get(url(asked)))
    assert "Withdraw what was asked for?" in page
    asked.refresh_from_db()
    assert asked.state == "waiting"
    page = words(client.post(url(asked), follow=True))
    assert "It is withdrawn." in page
    assert "Waits for approval." not in page and "Ask for approval</button>" in page
    asked.refresh_from_db()
    assert (asked.state, asked.answered_by) == ("withdrawn", mia)
    assert asked.answered_at >= asked.asked_at
    said = LogEntry.objects.latest("pk").get_change_message()
    assert said == "Withdrew what mia asked for."
    # What the mail's link says now; and Home has it no more.
    page = words(signed_in(vera).get(asked.get_absolute_url()))
    assert "It was withdrawn by mia" in page and "_approve" not in page
    assert "Waits for approval</h2>" not in signed_in(vera).get("/admin/").text
    draft.refresh_from_db()
    assert draft.state == "draft"
    # And it may be asked for again.
    assert approval.ask(draft, mia, PEOPLE)


def test_whoever_may_edit_it_withdraws_it_and_who_asked_is_told(
    asked,
    draft,
    settings,
):
    settings.SITE_URL = "https://cdp.example.com"
    tom = member("Marketer", username="tom")
    signed_in(tom).post(url(asked))
    asked.refresh_from_db()
    assert (asked.state, asked.answered_by) == ("withdrawn", tom)
    tick()
    [letter] = mail.outbox
    assert letter.to == ["mia@example.com"]
    assert letter.subject == "“Welcome” was withdrawn"
    assert "tom has withdrawn what you asked for" in letter.body
    assert asked.get_absolute_url() in letter.body


def test_who_withdraws_their_own_is_not_mailed_and_nobody_is_asked(
    asked,
    mia,
    vera,
):
    approval.withdraw(asked, mia)
    assert approval_mail.tell() == 0
    assert mail.outbox == []


@pytest.mark.parametrize("group", ["Approver", "Engineer", "Analyst"])
def test_nobody_else_withdraws_it(asked, draft, group):
    user = member(group)
    client = signed_in(user)
    for page in (draft.get_absolute_url(), asked.get_absolute_url()):
        assert url(asked) not in client.get(page).text
    assert client.get(url(asked)).status_code == 403
    assert client.post(url(asked)).status_code == 403
    with pytest.raises(PermissionDenied):
        approval.withdraw(asked, user)
    asked.refresh_from_db()
    assert asked.state == "waiting"


def test_an_approver_who_asked_withdraws_it(draft, vera):
    factories.make_approval(draft, asked_by=vera)
    one = asked_of(draft)
    signed_in(vera).post(url(one))
    one.refresh_from_db()
    assert one.state == "withdrawn"


def test_an_answer_that_was_first_stays(asked, draft, mia, vera):
    answer(signed_in(vera), asked, "_decline", why="Too many")
    page = words(signed_in(mia).post(url(asked), follow=True))
    assert "Nothing was done: It was declined by vera." in page
    asked.refresh_from_db()
    assert (asked.state, asked.answered_by) == ("declined", vera)


def test_what_was_withdrawn_first_is_not_approved(asked, draft, mia, vera):
    client = signed_in(vera)
    data = {"_approve": "1", "most": 20}
    data["_seen"] = seen(client.get(asked.get_absolute_url()))
    approval.withdraw(asked, mia)
    page = words(client.post(asked.get_absolute_url(), data, follow=True))
    assert "Nothing was done: It was withdrawn by mia." in page
    draft.refresh_from_db()
    assert draft.state == "draft" and approved.last_approved(draft) is None


def test_what_a_run_asks_is_not_withdrawn(draft):
    """It would ask again: who wants to leave it out cancels the run."""
    run = factories.make_run(draft)
    factories.make_approval(draft, run=run)
    one = asked_of(draft)
    client = signed_in(factories.make_admin())
    assert url(one) not in client.get(draft.get_absolute_url()).text
    page = words(client.post(url(one), follow=True))
    assert "cancel the run" in page
    one.refresh_from_db()
    assert one.state == "waiting"
