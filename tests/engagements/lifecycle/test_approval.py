"""Asking that something may be sent, and a second person's answer, on pages and by mail."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from engagements.guards import approved
from engagements.lifecycle import approval, approval_mail, transitions
from engagements.models import Approval, ApprovalLimit, Engagement
from engagements.tick import tick
from engagements.variants import plan
from externalapi.models import ExternalAPIVersion
from segments.membership import rule_changes
from segments.models import Segment, Transition
from tests import factories
from tests.engagements.lifecycle.conftest import (
    PEOPLE,
    answer,
    asked_of,
    limit,
    member,
    seen,
    signed_in,
)
from tests.pages import words

pytestmark = pytest.mark.django_db

OTHERS = {"attribute": "plan", "is": "equals", "value": "pro"}


def ask_url(engagement):
    return reverse("admin:engagements_engagement_ask", args=[engagement.pk])


def activate_url(engagement):
    return reverse("admin:engagements_engagement_activate", args=[engagement.pk])


# --- Asking ---------------------------------------------------------------------------


def test_a_marketer_asks_with_one_press(draft, mia, vera):
    client = signed_in(mia)
    page = client.get(draft.get_absolute_url()).text
    assert "Ask for approval</button>" in page
    page = client.post(ask_url(draft), follow=True).text
    assert "Approvers are told" in page and "Waits for approval." in page
    assert "Ask for approval</button>" not in page
    assert LogEntry.objects.get().get_change_message() == (
        "Asked for approval: 12 people."
    )
    asked = asked_of(draft)
    assert (asked.asked_by, asked.people, asked.above) == (mia, PEOPLE, None)
    for who in (vera, mia):
        home = signed_in(who).get("/admin/").text
        assert "Waits for approval</h2>" in home
        assert asked.get_absolute_url() in home
    assert "mia asked" in signed_in(vera).get("/admin/").text
    somebody = signed_in(member("Marketer")).get("/admin/").text
    assert "Waits for approval</h2>" not in somebody


def test_who_may_activate_is_led_to_ask_where_it_takes_a_second_person(draft, vera):
    client = signed_in(vera)
    assert "Ask for approval" not in client.get(draft.get_absolute_url()).text
    limit(PEOPLE)
    page = words(client.get(activate_url(draft)))
    assert "Activate “Welcome”?" in page and "Ask for approval" not in page
    limit(PEOPLE - 1)
    page = words(client.get(activate_url(draft)))
    assert "Ask for approval of “Welcome”?" in page
    assert "It would take in 12 people. Above 11 a second person must approve" in page
    assert 'name="_ask"' in page
    # A page from before the number was set does not activate.
    assert "Ask for approval of" in words(client.post(activate_url(draft)))
    draft.refresh_from_db()
    assert draft.state == "draft" and not Approval.objects.exists()
    client.post(activate_url(draft), {"_ask": "1"})
    assert asked_of(draft).asked_by == vera
    # What waits already is not asked for again.
    there = client.get(activate_url(draft))
    assert there.url == asked_of(draft).get_absolute_url()
    draft.refresh_from_db()
    assert draft.state == "draft"


def test_the_lower_number_counts(draft, vera):
    client = signed_in(vera)
    for site, own, is_asked in (
        (None, 11, True),
        (None, 12, False),
        (11, 50, True),
        (50, 11, True),
        (50, None, False),
    ):
        ApprovalLimit.objects.all().delete()
        if site:
            limit(site)
        Engagement.objects.update(approval_above=own)
        page = words(client.get(activate_url(draft)))
        assert ("Ask for approval of" in page) is is_asked, (site, own)


def test_nobody_asks_who_may_neither_build_nor_activate(draft):
    client = signed_in(member("Analyst"))
    assert client.post(ask_url(draft)).status_code == 403
    assert signed_in(member("Marketer")).get(ask_url(draft)).status_code == 405
    assert not Approval.objects.exists()


def test_it_is_asked_for_once(draft, mia):
    client = signed_in(mia)
    client.post(ask_url(draft))
    assert "already" in client.post(ask_url(draft), follow=True).text
    assert Approval.objects.count() == 1


def test_an_active_engagement_is_not_asked_for(draft, mia):
    draft.move(["draft"], "active")
    assert not approval.ask(draft, mia, PEOPLE)


def test_it_is_said_when_nobody_may_answer(draft, mia):
    page = signed_in(mia).post(ask_url(draft), follow=True).text
    assert "nobody may give it" in page
    page = signed_in(mia).get(asked_of(draft).get_absolute_url()).text
    assert "Nobody may answer now" in page


def test_who_activates_below_the_number_has_answered(draft, mia, vera):
    approval.ask(draft, mia, PEOPLE)
    asked = asked_of(draft)
    signed_in(vera).post(activate_url(draft))
    draft.refresh_from_db()
    asked.refresh_from_db()
    assert (draft.state, asked.state) == ("active", "closed")
    assert approved.last_approved(draft) is None
    assert "Not needed any more" in signed_in(mia).get(asked.get_absolute_url()).text
    assert "Waits for approval</h2>" not in signed_in(vera).get("/admin/").text


def test_the_list_is_filtered_by_what_waits(asked, admin_client):
    other = factories.make_engagement(name="Another")
    url = reverse("admin:engagements_engagement_changelist")
    page = admin_client.get(url, {"approval": "waiting"}).text
    assert "Welcome" in page and other.name not in page
    assert other.name in admin_client.get(url).text


# --- Answering ------------------------------------------------------------------------


def test_approved_it_is_active_at_once(asked, draft, vera, mia):
    client = signed_in(vera)
    page = words(client.get(asked.get_absolute_url()))
    assert "Approve and activate" in page
    assert "12 people will be sent" in page.replace("</strong>", "").replace(
        "<strong>", ""
    )
    assert "mia asked" in page
    answer(client, asked, most=15, why="For spring")
    draft.refresh_from_db()
    asked.refresh_from_db()
    assert (draft.state, asked.state) == ("active", "approved")
    assert (asked.most, asked.answered_by, asked.why) == (15, vera, "For spring")
    assert draft.changed_by == []
    history = [one.get_change_message() for one in LogEntry.objects.all()]
    assert history == [
        "Approved what mia asked for, for up to 15 people. Why: For spring"
    ]
    page = words(signed_in(mia).get(draft.get_absolute_url()))
    assert "Approvals</h2>" in page and "for up to 15. Why: For spring" in page
    # Once more, from a page that was open: it is said, and nothing is done.
    late = client.post(
        asked.get_absolute_url(), {"_decline": "1", "why": "No"}, follow=True
    )
    assert "Nothing was done: It was approved by vera." in words(late)
    draft.refresh_from_db()
    assert draft.state == "active"


def test_declined_it_stays_a_draft_with_the_reason(asked, draft, vera, mia):
    client = signed_in(vera)
    page = words(answer(client, asked, "_decline", why=" "))
    assert "Say why: whoever asked reads it." in page
    asked.refresh_from_db()
    assert asked.state == "waiting"
    answer(client, asked, "_decline", why="The offer is over")
    draft.refresh_from_db()
    assert draft.state == "draft" and not draft.runs.exists()
    page = words(signed_in(mia).get(draft.get_absolute_url()))
    assert "Declined." in page and "The offer is over" in page
    assert "Ask for approval</button>" in page
    assert approval.ask(draft, mia, PEOPLE)


def test_for_fewer_people_than_there_are_nothing_is_approved(asked, draft, vera):
    page = words(answer(signed_in(vera), asked, most=11))
    assert "It is 12 people now: enter as many or more" in page
    page = words(answer(signed_in(vera), asked, most=""))
    assert "This field is required." in page
    asked.refresh_from_db()
    assert asked.state == "waiting"


def test_a_number_that_is_raised_leaves_what_was_asked_for(asked, vera):
    def page():
        return words(signed_in(vera).get(asked.get_absolute_url()))

    assert "people a run a second person approves. Nothing is sent" in page()
    limit(10_000)
    assert "Only above 10,000 people a run a second person has to approve by now." in (
        page()
    )
    ApprovalLimit.objects.all().delete()
    assert "No second person has to approve by now. It was asked for before" in page()


def test_what_cannot_be_activated_is_not_approved(asked, draft, vera):
    Segment.objects.update(is_active=False)
    page = words(answer(signed_in(vera), asked))
    assert "is not live" in page
    asked.refresh_from_db()
    draft.refresh_from_db()
    assert (asked.state, asked.most, draft.state) == ("waiting", None, "draft")


def test_opening_the_link_answers_nothing(asked, draft, vera):
    """Programs that read mails follow links; without signing in, and with it."""
    url = asked.get_absolute_url()
    for client in (Client(), signed_in(vera)):
        for address in (url, f"{url}?_approve=1", f"{url}?_decline=1&why=x"):
            client.get(address)
            client.head(address)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(vera)
    form = {"_approve": "1", "most": 20, "_seen": asked.digest}
    assert strict.post(url, form).status_code == 403
    assert Client().post(url, form).status_code == 302
    asked.refresh_from_db()
    draft.refresh_from_db()
    assert (asked.state, draft.state) == ("waiting", "draft")


@pytest.mark.parametrize("group", ["Marketer", "Engineer", "Analyst"])
def test_who_may_not_activate_does_not_answer(asked, group):
    client = signed_in(member(group))
    page = client.get(asked.get_absolute_url())
    assert page.status_code == 200 and "_approve" not in page.text
    for button in ("_approve", "_decline"):
        form = {button: "1", "most": 20, "_seen": asked.digest, "why": "x"}
        assert client.post(asked.get_absolute_url(), form).status_code == 403
    asked.refresh_from_db()
    assert asked.state == "waiting"


def test_who_lost_the_permission_meanwhile_does_not_answer(asked, draft, vera):
    client = signed_in(vera)
    data = {"_approve": "1", "most": 20, "_seen": seen(client.get(_url(asked)))}
    vera.groups.clear()
    assert client.post(_url(asked), data).status_code in (302, 403)
    asked.refresh_from_db()
    assert asked.state == "waiting"
    # Also where it went while the answer was on its way.
    stale = member("Approver")
    assert stale.has_perm(approval.PERMISSION)
    stale.groups.clear()
    with pytest.raises(PermissionDenied):
        approval.approve(asked, stale, most=20, seen=asked.digest, why="")
    asked.refresh_from_db()
    assert asked.state == "waiting"


def _url(asked):
    return asked.get_absolute_url()


# --- Four eyes ------------------------------------------------------------------------


def refused(user, asked):
    """What the page says to somebody who may approve others, after they have tried."""
    client = signed_in(user)
    page = words(client.get(asked.get_absolute_url()))
    assert "_approve" not in page
    data = {"_approve": "1", "most": 20, "_seen": asked.digest}
    page = words(client.post(asked.get_absolute_url(), data, follow=True))
    asked.refresh_from_db()
    assert asked.state == "waiting"
    assert "Nothing was changed." in page
    return page


def test_who_asked_does_not_approve(draft, vera):
    limit(10)
    approval.ask(draft, vera, PEOPLE)
    assert "You asked for it: somebody else answers." in refused(vera, asked_of(draft))


def test_who_has_built_or_changed_it_does_not_approve(draft, mia, asked):
    ada = factories.make_admin()
    form = signed_in(ada)
    page = form.get(draft.get_absolute_url())
    data = {
        name: field.value()
        for name, field in ((f.html_name, f) for f in page.context["form"])
        if field.value() not in (None, False)
    }
    data["holdout_share"] = "5"
    assert form.post(draft.get_absolute_url(), data).status_code == 302
    draft.refresh_from_db()
    assert draft.holdout_share == 5 and draft.changed_by == [mia.pk, ada.pk]
    assert "You have changed the Engagement since" in refused(ada, asked)


def test_who_only_renames_it_has_changed_nothing(draft, mia):
    before = approved.content(draft)
    Engagement.objects.update(name="Another", description="Said otherwise")
    approved.note_change(draft, before, 4711)
    draft.refresh_from_db()
    assert draft.changed_by == [mia.pk]


def test_who_made_the_version_does_not_approve(draft, asked, vera):
    ExternalAPIVersion.objects.update(created_by=vera)
    assert "You have changed its External API" in refused(vera, asked)


def test_who_made_the_rule_does_not_approve(draft, asked, vera):
    rule_changes.change(draft.segment, OTHERS, True, vera)
    assert "You have changed who is in its segments" in refused(vera, asked)


def test_who_proposed_the_rule_does_not_approve_either(draft, asked, vera):
    otto = member("Approver")
    proposal = rule_changes.propose(draft.segment, OTHERS, True, otto)
    seen = rule_changes.fingerprint(draft.segment)
    assert rule_changes.accept(proposal, factories.make_admin(), seen)
    assert "You have changed who is in its segments" in refused(otto, asked)
    assert vera in approval.approvers(asked)


def test_after_an_approval_only_what_changed_since_counts(draft, asked, vera, mia):
    answer(signed_in(vera), asked)
    draft.refresh_from_db()
    transitions.end(draft)
    ada = factories.make_admin()
    approval.ask(draft, mia, 30)
    again = asked_of(draft)
    # Ada changed the rule before, Mia built it: that was approved.
    assert set(approval.concerned(again)) == {mia.pk}
    draft.refresh_from_db()
    rule_changes.change(draft.segment, OTHERS, True, ada)
    assert set(approval.concerned(asked_of(draft))) == {mia.pk, ada.pk}


def test_another_account_of_whoever_asked_does_not_approve(draft, mia, asked):
    again = member("Approver", username="mia2", email="MIA@Example.com")
    assert "You asked for it, with the account “mia”" in refused(again, asked)
    assert again not in approval.approvers(asked)
    for address in ("", "other@example.com"):
        mia.__class__.objects.filter(pk__in=[mia.pk, again.pk]).update(email="")
        mia.__class__.objects.filter(pk=again.pk).update(email=address)
        assert again in approval.approvers(asked)


def test_who_asked_and_is_not_here_any_more_was_no_run(asked, mia, vera):
    mia.delete()
    page = words(signed_in(vera).get(_url(asked)))
    assert "Somebody who is not here any more asked" in page
    tick()
    assert "Somebody who is not here any more asks for approval" in mail.outbox[0].body
    answer(signed_in(vera), asked)
    said = LogEntry.objects.latest("pk").get_change_message()
    assert "Approved what somebody who is not here any more asked for" in said


def test_who_may_not_use_the_connection_does_not_approve(draft, asked, vera):
    draft.version.connection.groups.add(Group.objects.create(name="Cards"))
    assert "is limited to the group “Cards”" in refused(vera, asked)
    assert vera not in approval.approvers(asked)


# --- What is approved is what was looked at -------------------------------------------


@pytest.mark.parametrize("what", ["values", "version", "segment", "rule", "excluded"])
def test_what_was_changed_meanwhile_is_shown_again(draft, asked, vera, what):
    client = signed_in(vera)
    looked_at = seen(client.get(_url(asked)))
    other = factories.make_segment(PEOPLE, name="Gone")
    if what == "values":
        Engagement.objects.update(values={"Name of the User": "Ann"})
    elif what == "version":
        version = factories.make_version(
            external_api=draft.version.external_api, connection=draft.version.connection
        )
        Engagement.objects.update(version=version)
    elif what == "segment":
        Engagement.objects.update(segment=other)
    elif what == "rule":
        Segment.objects.filter(pk=draft.segment_id).update(rule=OTHERS)
    else:
        draft.exclusions.create(segment=other)
    data = {"_approve": "1", "most": 20, "_seen": looked_at}
    page = words(client.post(_url(asked), data, follow=True))
    assert "What it sends was changed meanwhile. Nothing was approved" in page
    assert "What it sends was changed since it was asked for." in page
    asked.refresh_from_db()
    draft.refresh_from_db()
    assert (asked.state, draft.state) == ("waiting", "draft")
    answer(client, asked)
    draft.refresh_from_db()
    assert draft.state == "active"
    assert approved.allowance(draft) == 20


def test_every_setting_is_part_of_what_is_approved():
    """But what it is called. Whoever adds one that is none says so here."""
    columns = {f.name for f in Engagement._meta.concrete_fields}
    others = {"id", "name", "description", "approval_above"}
    state = {
        *("state", "blocked_reason", "blocked_key_version", "is_held", "is_notice_due"),
        *("refusal", "refusals", "refused_since", "schedule_set_at", "sync_epoch"),
        *("activated_at", "active_since", "created_at", "updated_at", "created_by"),
        *("changed_by", "winner_at", "winner_by"),
    }
    assert set(approved.FIELDS) == columns - state - others
    # And what stands in rows of its own: the excluded segments. Caps are an Approver's.
    parts = {
        relation.related_model.__name__
        for relation in Engagement._meta.related_objects
        if relation.related_model is not None
    }
    assert parts == {"ExcludedSegment", "Approval", "FrequencyCap", "Run"}


def test_a_person_who_may_not_see_people_reads_samples_without_their_data(asked, vera):
    # Also of those who are named because they would be skipped.
    Engagement.objects.update(holdout_share=90)
    page = signed_in(vera).get(_url(asked)).text
    assert "People’s data is masked for you." in page
    assert "will be skipped" in page and "Person " in page
    assert "person-" not in page and "Ann " not in page
    assert "first_name" in page
    page = signed_in(factories.make_admin()).get(_url(asked)).text
    assert "masked for you" not in page and "person-" in page


def test_headers_and_address_are_masked_as_well(asked, vera):
    ExternalAPIVersion.objects.update(
        path="/users/{{Name of the User}}",
        headers={"X-Name": "{{Name of the User}}", "X-Plain": "always"},
    )
    page = signed_in(factories.make_admin()).get(_url(asked)).text
    assert "<dd>Ann" in page or "<dd>person" in page
    page = signed_in(vera).get(_url(asked)).text
    assert "<dd>Ann" not in page and "<dd>person" not in page
    assert "<dd>{{Name of the User}}</dd>" in page and "<dd>always</dd>" in page
    assert "/users/{{Name of the User}}" in page


def test_what_is_no_person_s_is_not_masked_in_a_sample(asked, vera):
    value = "Spring offer for {{ profile.first_name }}"
    Engagement.objects.update(values={"Name of the User": value})
    page = signed_in(vera).get(_url(asked)).text
    assert "&quot;Spring offer for A… " in page


def test_a_sample_has_the_values_of_the_person_s_own_variant(asked):
    ours = plan.Variant("B", "Short", 100, {"Name of the User": "you there"})
    both = plan.made([plan.Variant("A", "As it was", 0), ours])
    Engagement.objects.update(variants=both.as_json())
    page = signed_in(factories.make_admin()).get(_url(asked)).text
    assert "variant B “Short”" in page
    assert "&quot;you there&quot;" in page


def test_nobody_is_led_to_a_test_that_they_may_not_make(draft, asked, vera, mia):
    tests = reverse(
        "admin:externalapi_externalapi_test", args=[draft.version.external_api_id]
    )
    assert signed_in(vera).get(tests).status_code == 403
    page = words(signed_in(vera).get(_url(asked)))
    assert tests not in page
    assert "have a Marketer or an Engineer press Test Configuration" in page
    assert tests in words(signed_in(mia).get(_url(asked)))
    Engagement.objects.update(state="blocked", blocked_reason="401")
    address = draft.get_absolute_url()
    assert tests not in words(signed_in(vera).get(address))
    assert tests in words(signed_in(mia).get(address))


def test_of_one_that_listens_who_was_sent_today_is_not_sent_again(draft, vera):
    """The number of a day has them; the people and requests to come do not."""
    limit(2)
    Engagement.objects.update(trigger="on_entry", state="paused")
    draft.refresh_from_db()
    run = factories.make_run(
        draft,
        is_standing=True,
        trigger="on_entry",
        state="sending",
        taken_in=1,
        expansion_cursor=Transition.objects.latest("pk").pk,
    )
    for person in factories.make_people(3):
        factories.enter(draft.segment, person)
    asked = factories.make_approval(draft, run=run, people=4, above=2)
    page = strip_tags(words(signed_in(vera).get(_url(asked))))
    assert " 3 people will be sent" in page
    assert "Now it is 4 people." in page


# --- By mail --------------------------------------------------------------------------


def test_approvers_are_mailed_what_is_new_and_who_asked_the_answer(
    draft, asked, vera, mia, settings
):
    settings.SITE_URL = "https://cdp.example.com/"
    member("Approver", email="ben@example.com", is_active=False)
    tick()
    tick()
    [letter] = mail.outbox
    assert letter.recipients() == ["vera@example.com"]
    assert letter.subject == "“Welcome” waits for approval"
    # Hidden from each other; a mail to nobody at all is taken for spam.
    headers = letter.message()
    assert headers["To"] == "undisclosed-recipients:;"
    assert "vera" not in headers.as_string()
    assert headers["Auto-Submitted"] == "auto-generated"
    for said in (
        "mia asks for approval of the Engagement “Welcome”.",
        "It would take in 12 people.",
        "Above 10 a second person approves.",
        "It was not approved before. What it sends:",
        "- “Name of the User”: {{ profile.first_name }}",
        "- Segment: “Leads”",
        f"https://cdp.example.com{_url(asked)}",
    ):
        assert said in letter.body, said
    mail.outbox.clear()
    answer(signed_in(vera), asked, "_decline", why="Too many")
    tick()
    tick()
    [letter] = mail.outbox
    assert letter.to == ["mia@example.com"]
    assert letter.subject == "“Welcome” was declined"
    assert "Why: Too many" in letter.body

    mail.outbox.clear()
    approval.ask(draft, mia, PEOPLE)
    answer(signed_in(vera), asked_of(draft))
    tick()
    [letter] = mail.outbox
    assert letter.subject == "“Welcome” was approved"
    assert "vera has approved" in letter.body


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ("on_entry", "It sends as soon as someone enters the segment."),
        ("on_exit", "It sends as soon as someone leaves the segment."),
    ],
)
def test_of_one_that_listens_the_mail_says_to_what(draft, mia, vera, trigger, said):
    Engagement.objects.update(trigger=trigger)
    draft.refresh_from_db()
    approval.ask(draft, mia, 0)
    tick()
    [letter] = mail.outbox
    assert f"At once it would take in nobody. {said}" in letter.body
    page = strip_tags(words(signed_in(vera).get(_url(asked_of(draft)))))
    assert " 0 people will be sent at once " in page
    assert "0 people" not in letter.body


def test_the_mail_says_what_has_changed_since(draft, asked, vera, mia):
    answer(signed_in(vera), asked)
    draft.refresh_from_db()
    transitions.end(draft)
    Engagement.objects.update(values={"Name of the User": "Bob"}, holdout_share=7.5)
    rule_changes.change(draft.segment, OTHERS, True, mia)
    approval.ask(draft, mia, PEOPLE)
    tick()
    [letter] = [one for one in mail.outbox if "waits" in one.subject]
    assert "What it sends has changed since it was approved last:" in letter.body
    assert "- “Name of the User”: {{ profile.first_name }} → Bob" in letter.body
    assert "- Holdout, in percent: 0 → 7.5" in letter.body
    assert "- Who is in “Leads”:" in letter.body
    assert "Segment:" not in letter.body


def test_the_mail_names_nobody_whom_a_rule_names(draft, mia, vera):
    rule = {
        "attribute": "email",
        "is": "in",
        "value": ["ann@example.com", "+49171234567"],
    }
    Segment.objects.update(rule=rule)
    approval.ask(draft, mia, PEOPLE)
    tick()
    [letter] = mail.outbox
    assert "a…@example.com" in letter.body and "+49…67" in letter.body
    assert "ann@example" not in letter.body and "1712345" not in letter.body
    # As on the page of the segment.
    assert "ann@example.com" in signed_in(vera).get(_url(asked_of(draft))).text


def test_a_mail_server_that_fails_holds_nothing_up(asked, vera, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert (approval_mail.tell(), approval_mail.tell()) == (0, 0)
    asked.refresh_from_db()
    assert asked.state == "waiting" and not asked.is_asking_due


def test_a_name_of_several_lines_is_a_subject(draft, mia, vera):
    Engagement.objects.update(name="Welcome\nBcc: x@example.com")
    draft.refresh_from_db()
    approval.ask(draft, mia, PEOPLE)
    tick()
    assert mail.outbox[0].subject == "“Welcome Bcc: x@example.com” waits for approval"
    assert mail.outbox[0].recipients() == ["vera@example.com"]


# --- Who sets the number --------------------------------------------------------------


@pytest.mark.parametrize("site", [None, 500])
def test_who_is_watched_does_not_raise_the_number_of_their_own(draft, mia, vera, site):
    if site:
        limit(site)
    Engagement.objects.update(approval_above=10)
    # A draft that nobody was asked about is theirs who build it.
    assert saved(mia, draft, approval_above="20") == 20
    assert saved(mia, draft, approval_above="11") == 11
    assert approval.ask(draft, mia, PEOPLE)
    for higher in ("12", ""):
        assert "Only an administrator" in saved(mia, draft, approval_above=higher)
    assert saved(mia, draft, approval_above="5") == 5
    answer(signed_in(vera), asked_of(draft))
    draft.refresh_from_db()
    transitions.pause(draft)
    for user in (mia, member("Approver", "Marketer")):
        assert "Only an administrator" in saved(user, draft, approval_above="")
    if site:
        # Above that of all Engagements it makes no difference.
        Engagement.objects.update(approval_above=site)
        assert saved(mia, draft, approval_above="") is None
        Engagement.objects.update(approval_above=5)
    ada = member("Marketer", "Administrator")
    assert saved(ada, draft, approval_above="") is None


def saved(user, engagement, **typed):
    """The number that is stored after it was saved with this typed, or the page's words."""
    client = signed_in(user)
    page = client.get(engagement.get_absolute_url())
    form = page.context["form"]
    data = {
        field.html_name: field.value()
        for field in form
        if field.value() not in (None, False)
    }
    done = client.post(engagement.get_absolute_url(), {**data, **typed})
    if done.status_code == 200:
        return words(done)
    return Engagement.objects.values_list("approval_above", flat=True).get()


def test_an_administrator_sets_the_number_and_an_approver_does_not(vera):
    url = reverse("admin:engagements_guards")
    client = signed_in(vera)
    assert "An administrator sets it" in words(client.get(url))
    client.post(url, {"approval-above": "1000000"})
    assert not ApprovalLimit.objects.exists()
    ada = signed_in(member("Administrator"))
    page = words(ada.post(url, {"approval-above": "1000"}, follow=True))
    assert "A second person must approve a run to more than 1,000 people." in page
    assert ApprovalLimit.objects.get().above == 1_000
    client.post(url, {"approval-above": ""})
    assert ApprovalLimit.objects.get().above == 1_000
    wrong = words(ada.post(url, {"approval-above": "0"}))
    assert "Enter 1 or more" in wrong
    ada.post(url, {"approval-above": ""})
    assert not ApprovalLimit.objects.exists()
