"""A mailing above the number: a marketer asks, an Approver looks and answers."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import Page, expect

from engagements.audience import expansion
from engagements.lifecycle import transitions
from engagements.models import Approval, ApprovalLimit, Engagement
from externalapi.connections import encryption
from segments.membership import rule_changes
from segments.models import Profile
from tests import factories
from tests.browser import looks
from tests.browser.conftest import Shot

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 1_250
GOLD = {
    "all": [
        {"attribute": "tier", "is": "equals", "value": "gold"},
        {"attribute": "city", "is": "equals", "value": "Pune"},
    ]
}
GOLD_DELHI = {
    "all": [
        {"attribute": "tier", "is": "equals", "value": "gold"},
        {"attribute": "city", "is": "in", "value": ["Delhi", "Pune"]},
        {"attribute": "balance", "is": "greater", "value": 0},
    ]
}


def member(group: str, name: str) -> User:
    user = factories.make_user(username=name)
    user.groups.set([Group.objects.get(name=group)])
    return user


@pytest.fixture
def mailing() -> Engagement:
    """It was approved once, has ended, and reads differently now."""
    ApprovalLimit.objects.create(above=1_000)
    segment = factories.make_segment(
        PEOPLE, name="Gold customers", rule=GOLD, is_active=True
    )
    Profile.objects.update(
        attributes={"first_name": "Ann", "tier": "gold", "city": "Pune", "balance": 1}
    )
    engagement = factories.make_engagement(
        segment, name="Spring offer", trigger="schedule"
    )
    encryption.set_key(engagement.version.connection, "0f9e8d7c-braze")
    return engagement


def test_a_marketer_asks_and_an_approver_answers(
    page: Page,
    sign_in: Callable[[Any], None],
    shot: Shot,
    mailing: Engagement,
):
    mia, vera = member("Marketer", "mia"), member("Approver", "vera")
    looks.as_at_night(page)

    def look(what: str) -> None:
        looks.assert_whole_at_corners(page, shot, f"approval-{what}")

    sign_in(mia)
    page.goto(mailing.get_absolute_url())
    page.get_by_role("button", name="Ask for approval").click()
    expect(page.get_by_text("Approvers are told")).to_be_visible()
    look("asked")
    page.get_by_role("link", name="Withdraw", exact=True).click()
    expect(page.get_by_role("button", name="Withdraw")).to_be_visible()
    look("withdraw")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("It is withdrawn.")).to_be_visible()
    look("withdrawn")
    page.get_by_role("button", name="Ask for approval").click()
    expect(page.get_by_text("Approvers are told")).to_be_visible()

    sign_in(vera)
    page.goto("/admin/")
    look("home")
    page.get_by_role("link", name="Spring offer", exact=True).first.click()
    expect(page.get_by_text("It was not approved before.")).to_be_visible()
    look("first")
    # With nothing typed for how many, and no reason: both are said.
    page.get_by_label("For at most so many people a run").fill("1000")
    page.get_by_role("button", name="Approve and activate").click()
    expect(page.get_by_text("It is 1,250 people now")).to_be_visible()
    look("errors")
    page.get_by_role("button", name="Decline").click()
    expect(page.get_by_text("Say why: whoever asked reads it.")).to_be_visible()
    page.get_by_label("Why").fill("Use the name of the new card")
    page.get_by_role("button", name="Decline").click()
    expect(page.get_by_text("It is declined.")).to_be_visible()

    sign_in(mia)
    page.goto(mailing.get_absolute_url())
    expect(page.get_by_text("Use the name of the new card").first).to_be_visible()
    look("declined")
    page.get_by_role("button", name="Ask for approval").click()
    expect(page.get_by_text("Approvers are told")).to_be_visible()

    sign_in(vera)
    page.goto(Approval.objects.latest("pk").get_absolute_url())
    page.get_by_role("button", name="Approve and activate").click()
    expect(
        page.get_by_text("It is approved, and the Engagement is active")
    ).to_be_visible()
    mailing.refresh_from_db()
    assert mailing.state == "active"
    look("approved")

    # What it sends is changed: the next time the approver sees what is new.
    by = factories.make_admin()
    Engagement.objects.update(
        state="draft",
        values={"Name of the User": '{{ profile.first_name | default: "there" }}'},
        quiet_from="21:00",
        quiet_to="08:00",
        holdout_share=5,
        repeat="weekly",
        changed_by=[mia.pk],
    )
    rule_changes.change(mailing.segment, GOLD_DELHI, True, by)
    sign_in(vera)
    page.goto(mailing.get_absolute_url())
    page.get_by_role("link", name="Activate", exact=True).click()
    expect(page.get_by_text("changed since it was approved last")).to_be_visible()
    look("instead")
    page.get_by_role("button", name="Ask for approval").click()
    expect(page.get_by_text("nobody may give it")).to_be_visible()
    asked = Approval.objects.latest("pk").get_absolute_url()
    page.goto(asked)
    expect(page.get_by_text("You asked for it: somebody else answers.")).to_be_visible()
    look("not-yours")
    sign_in(member("Approver", "otto"))
    page.goto(asked)
    expect(page.get_by_role("button", name="Approve and activate")).to_be_visible()
    look("changes")


def test_a_run_that_grew_waits(
    page: Page, sign_in: Callable[[Any], None], shot: Shot, mailing: Engagement
):
    transitions.activate(mailing)
    expansion.expand(expansion.expandable_runs())
    sign_in(member("Approver", "vera"))
    page.goto(mailing.get_absolute_url())
    expect(page.get_by_text("Stopped to ask.", exact=True)).to_be_visible()
    shot("approval-stopped")
    page.get_by_role("link", name="What is asked, and the answer").click()
    expect(page.get_by_role("button", name="Approve and go on")).to_be_visible()
    shot("approval-run")
    page.get_by_role("button", name="Approve and go on").click()
    expect(
        page.get_by_text("It is approved, and the Engagement is active")
    ).to_be_visible()


def test_enter_beside_two_answers_gives_none_of_them(
    page: Page, sign_in: Callable[[Any], None], mailing: Engagement
):
    transitions.activate(mailing)
    expansion.expand(expansion.expandable_runs())
    sign_in(member("Approver", "vera"))
    asked = Approval.objects.get()
    page.goto(asked.get_absolute_url())
    page.get_by_label("Why").fill("It is the wrong segment")
    page.get_by_label("Why").press("Enter")
    page.get_by_label("For at most so many people").press("Enter")
    page.get_by_role("button", name="Decline").press("Enter")
    expect(page.get_by_text("It is declined")).to_be_visible()
    asked.refresh_from_db()
    assert (asked.state, asked.why) == ("declined", "It is the wrong segment")


def test_the_number_is_set_by_an_administrator(
    page: Page, sign_in: Callable[[Any], None], shot: Shot
):
    sign_in(member("Administrator", "ada"))
    page.goto("/admin/engagements/engagement/guards/")
    label = "A second person must approve a run to more than so many people"
    page.get_by_label(label).fill("1000")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("a run to more than 1,000 people.").first).to_be_visible()
    shot("approval-guards")
    assert ApprovalLimit.objects.get().above == 1_000
