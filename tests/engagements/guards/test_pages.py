"""The suppression list, the guards of all engagements, and one person's explanation."""

import pytest
from django.test import Client
from django.urls import reverse

from engagements.authoring import explaining
from engagements.authoring.forms import EngagementForm
from engagements.lifecycle import transitions
from engagements.models import (
    ConsentRule,
    Delivery,
    Engagement,
    FrequencyCap,
    GlobalHoldout,
    SuppressedChannels,
    Suppression,
)
from segments.membership import refresh
from segments.people import export
from segments.privacy import erasure
from tests import factories
from tests.faults import working
from tests.pages import words

pytestmark = pytest.mark.django_db

ADD = reverse("admin:engagements_suppression_add")
LIST = reverse("admin:engagements_suppression_changelist")
SITE = reverse("admin:engagements_guards")
LOOK = "engagements.view_engagement"


def signed_in(*rights: str) -> Client:
    client = Client()
    client.force_login(factories.make_user(*rights))
    return client


# --- The suppression list -------------------------------------------------------------


def test_identifiers_are_added_as_they_are_kept(admin_page):
    data = {"kind": "email", "typed": " Ann@X.example\n\nann@x.example\nbo@x.example"}
    answer = admin_page.post(ADD, {**data, "reason": "Complained"}, follow=True)
    rows = Suppression.objects.order_by("value").values_list("value", "channels")
    assert list(rows) == [("ann@x.example", []), ("bo@x.example", [])]
    page = words(answer)
    assert "2 entries are on the list now." in page
    assert "Complained" in page and "Every channel" in page


def test_who_is_on_the_list_already_is_counted_and_their_why_stays(admin_page):
    for value, why in (("ann@x.example", "Complained"), ("bo@x.example", "")):
        Suppression.objects.create(kind="email", value=value, reason=why)
    data = {"kind": "email", "typed": "ann@x.example\nbo@x.example\ncy@x.example"}
    page = words(admin_page.post(ADD, {**data, "reason": "Bounced"}, follow=True))
    assert (
        "3 entries are on the list now; 2 were on it before, 1 with another “Why”,"
        " which stays." in page
    )
    assert dict(Suppression.objects.values_list("value", "reason")) == {
        "ann@x.example": "Complained",
        "bo@x.example": "Bounced",
        "cy@x.example": "Bounced",
    }
    # The same once more is nothing to warn of.
    again = {**data, "typed": "bo@x.example", "reason": "Bounced"}
    page = words(admin_page.post(ADD, again, follow=True))
    assert "1 entry is on the list now; 1 was on it before." in page
    assert "another" not in page


def test_a_list_says_show_all_only_where_not_all_is_shown(admin_page):
    for number in range(3):
        Suppression.objects.create(kind="external_id", value=f"u{number}")
    assert ">Show all</a>" not in admin_page.get(LIST).content.decode()
    found = admin_page.get(f"{LIST}?q=u1").content.decode()
    assert ">Show all</a>" in found


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("ann@x.example\nnobody", "Line 2: It is no e-mail address."),
        ("\n \n", "required"),
        (
            "a@b.example\n" * 2 + "\n".join(f"{i}@b.example" for i in range(1_001)),
            "1,002",
        ),
        ("undefined", "Line 1:"),
    ],
)
def test_what_is_no_identifier_is_said_at_its_line(admin_page, typed, said):
    page = admin_page.post(ADD, {"kind": "email", "typed": typed})
    assert said in words(page)
    assert not Suppression.objects.exists()


def test_adding_never_lets_anybody_be_sent_more(admin_page):
    for channels in (["crm"], ["messaging"], [], ["crm"]):
        admin_page.post(
            ADD, {"kind": "phone", "typed": "+49 30 123456", "channels": channels}
        )
        said = Suppression.objects.get().channels
        assert said == (
            [] if not channels or said == [] else sorted({*said, *channels})
        )
    assert Suppression.objects.get().channels == []


def test_a_person_is_added_from_their_page(admin_page):
    person = factories.make_profile(external_id="ann")
    link = f"{ADD}?person={person.pk}"
    assert link in admin_page.get(person.get_absolute_url()).content.decode()
    assert "Never send to ann" in words(admin_page.get(link))
    admin_page.post(link, {"channels": ["crm"]})
    one = Suppression.objects.get()
    assert (one.kind, one.profile, one.channels) == ("person", person, ["crm"])
    assert "Is never sent anything" in words(admin_page.get(person.get_absolute_url()))


def test_a_marketer_adds_and_an_approver_takes_off():
    marketer = signed_in(LOOK, "engagements.change_engagement")
    approver = signed_in(LOOK, "engagements.activate_engagement")
    data = {"kind": "external_id", "typed": "ann"}
    assert approver.post(ADD, data).status_code == 403
    assert marketer.post(ADD, data).status_code == 302
    one = Suppression.objects.get()
    delete = reverse("admin:engagements_suppression_delete", args=[one.pk])
    assert marketer.post(delete, {"post": "yes"}).status_code == 403
    asked = words(approver.get(delete))
    assert "off the list?" in asked
    assert "From the next request on Engagements send to them again" in asked
    done = approver.post(delete, {"post": "yes"}, follow=True)
    assert done.redirect_chain[-1][0] == LIST
    assert "is off the list." in words(done)
    assert not Suppression.objects.exists()


def test_who_may_not_see_people_reads_no_identifier():
    Suppression.objects.create(kind="email", value="ann.smith@x.example")
    analyst = signed_in(LOOK)
    entry = Suppression.objects.get().get_absolute_url()
    for url in (LIST, entry):
        page = words(analyst.get(url))
        assert "ann.smith" not in page and "a…@x.example" in page
    # Nor do they ask for one.
    assert "a…@x.example" in words(analyst.get(f"{LIST}?q=bo@x.example"))


def test_an_engagement_of_a_suppression_segment_is_not_offered_as_if_it_sent(
    admin_page,
):
    segment = factories.make_segment()
    url = reverse("admin:segments_segment_change", args=[segment.pk])
    assert "Add one to send these people’s data" in words(admin_page.get(url))
    segment.is_suppression = True
    segment.save()
    page = words(admin_page.get(url))
    assert "an Engagement of this segment skips all of them" in page
    assert "Add one to send" not in page
    SuppressedChannels.objects.create(segment=segment, channels=["crm"])
    page = words(admin_page.get(url))
    assert "not sent anything through CRM; through other channels" in page
    assert "skips all of them" not in page


def test_an_approver_says_for_which_channels_a_segment_suppresses():
    segment = factories.make_segment(name="Unsubscribed", is_suppression=True)
    url = reverse("admin:engagements_suppression_channels", args=[segment.pk])
    marketer = signed_in(LOOK, "segments.change_segment")
    assert marketer.post(url, {"channels": ["crm"]}).status_code == 403
    approver = signed_in(LOOK, "engagements.activate_engagement")
    page = approver.post(url, {"channels": ["crm"]}, follow=True)
    assert SuppressedChannels.objects.get().channels == ["crm"]
    assert "CRM" in words(page)


def test_erasing_somebody_takes_their_entries(admin_page):
    ann = factories.make_profile(external_id="ann", email="ann@x.example")
    bo = factories.make_profile(external_id="bo")
    Suppression.objects.create(kind="person", profile=ann)
    Suppression.objects.create(kind="email", value="ann@x.example")
    Suppression.objects.create(kind="person", profile=bo)
    document = "".join(export.write(ann))
    assert document.count('"since"') == 2
    erasure.erase([("external_id", "ann")], asked_through="a test")
    assert [one.profile for one in Suppression.objects.all()] == [bo]
    # It is not written down again.
    page = admin_page.post(ADD, {"kind": "email", "typed": "ann@x.example"})
    assert "was erased" in words(page)


# --- The guards of all engagements ----------------------------------------------------


def site_data(**fields):
    return {"holdout-share": "0", **fields}


def test_an_approver_says_what_consent_is_and_how_large_the_holdout():
    approver = signed_in(LOOK, "engagements.activate_engagement")
    data = site_data(
        **{
            "messaging-attribute": "agreed",
            "messaging-values": "true, Yes",
            "holdout-share": "5.5",
        }
    )
    page = words(approver.post(SITE, data, follow=True))
    rule = ConsentRule.objects.get()
    assert (rule.channel, rule.values) == ("messaging", ["true", "Yes"])
    holdout = GlobalHoldout.objects.get()
    assert holdout.share == 5.5
    assert "Messaging: “agreed” must be true or Yes." in page
    approver.post(SITE, {**data, "messaging-attribute": ""})
    assert not ConsentRule.objects.exists()
    assert GlobalHoldout.objects.get().salt == holdout.salt
    approver.post(SITE, {**data, "holdout-draws_anew": "on"})
    assert GlobalHoldout.objects.get().salt != holdout.salt


@pytest.mark.parametrize(
    "data",
    [
        {"holdout-share": "100"},
        {"holdout-share": "nan"},
        {"crm-attribute": "agreed", "crm-values": " , "},
    ],
)
def test_nonsense_is_said_and_nothing_is_saved(admin_page, data):
    before = GlobalHoldout.objects.count()
    page = admin_page.post(SITE, site_data(**{"cdp-attribute": "x", **data}))
    assert page.status_code == 200
    assert 'class="lb-error"' in page.content.decode()
    assert (GlobalHoldout.objects.count(), ConsentRule.objects.count()) == (before, 0)


def test_others_only_look():
    analyst = signed_in(LOOK)
    assert "An Approver changes these" in words(analyst.get(SITE))
    assert analyst.post(SITE, site_data()).status_code == 403
    assert signed_in().get(SITE).status_code in (302, 403)


# --- The engagement's form ------------------------------------------------------------


def posted(engagement, **fields):
    form = EngagementForm(instance=engagement)
    typed = {one.html_name: one.value() for one in form if one.value() is not None}
    return {**typed, **fields}


def test_the_form_keeps_what_it_says_of_guards():
    engagement = factories.make_engagement()
    out = [factories.make_segment(name=name) for name in ("A", "B")]
    data = posted(
        engagement,
        excluded_segments=[one.pk for one in out],
        holdout_share="12.5",
        heeds_global_holdout="False",
        ceiling="1000",
        quiet_from="22:00",
        quiet_to="08:00",
        quiet_action="skip",
    )
    form = EngagementForm(data, instance=engagement)
    assert form.is_valid(), form.errors
    form.save()
    saved = Engagement.objects.get()
    assert list(saved.excluded_segments.order_by("name")) == out
    assert (saved.holdout_share, saved.heeds_global_holdout) == (12.5, False)
    assert (saved.ceiling, saved.quiet_action) == (1000, "skip")
    # And says it again; a save of what it shows changes nothing.
    again = EngagementForm(posted(saved), instance=saved)
    assert again.is_valid() and again.changed_data == []


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"holdout_share": "100"}, "holdout_share"),
        ({"holdout_share": "-1"}, "holdout_share"),
        ({"holdout_share": "inf"}, "holdout_share"),
        ({"ceiling": "0"}, "ceiling"),
        ({"quiet_from": "22:00"}, "quiet_to"),
        ({"quiet_to": "22:00"}, "quiet_from"),
        ({"quiet_from": "22:00", "quiet_to": "22:00"}, "quiet_to"),
        ({"quiet_from": "25:00", "quiet_to": "22:00"}, "quiet_from"),
        ({"excluded_segments": ["0"]}, "excluded_segments"),
        ({"excluded_segments": "own"}, "excluded_segments"),
    ],
)
def test_nonsense_is_said_at_its_field(fields, at):
    engagement = factories.make_engagement()
    if fields.get("excluded_segments") == "own":
        fields = {"excluded_segments": [engagement.segment_id]}
    form = EngagementForm(posted(engagement, **fields), instance=engagement)
    assert not form.is_valid()
    assert list(form.errors) == [at]
    # In the form's own words, as its other errors are.
    assert "Ensure" not in str(form.errors)


def test_the_page_shows_them(admin_page):
    engagement = factories.make_engagement(holdout_share=7)
    engagement.exclusions.create(segment=factories.make_segment(name="Complained"))
    page = words(admin_page.get(engagement.get_absolute_url()))
    assert "But nobody who is in" in page and "Complained" in page


@pytest.mark.parametrize(
    ("trigger", "each", "meanwhile"),
    [
        ("on_entry", "a day", "People who enter the segment meanwhile are sent"),
        ("each_event", "a day", "What people do meanwhile is taken in"),
        ("on_exit", "a day", "People who leave the segment meanwhile are sent"),
        ("schedule", "a run", "A time that comes meanwhile is made up for"),
    ],
)
def test_a_page_says_what_is_true_of_the_trigger(admin_page, trigger, each, meanwhile):
    engagement = factories.make_engagement(
        trigger=trigger, state="paused", ceiling=7, has_priority=True
    )
    factories.make_run(engagement)
    said = " ".join(explaining.in_words(engagement))
    assert f"above 7 people {each}." in said
    assert "It goes first" in said
    page = words(admin_page.get(engagement.get_absolute_url()))
    assert meanwhile in page
    assert "While it is not active nobody is taken in." in page


def test_the_page_of_all_guards_has_the_caps_in_force(admin_page):
    assert "None is active" in words(admin_page.get(SITE))
    FrequencyCap.objects.create(name="Two a week", most=2, period="week")
    FrequencyCap.objects.create(name="Put away", most=9, is_active=False)
    page = words(admin_page.get(SITE))
    assert "Two a week" in page and "at most 2 a week" in page
    assert "Put away" not in page


# --- One person -----------------------------------------------------------------------


@pytest.fixture
def ann(braze):
    person = factories.make_profile(external_id="ann", first_name="Ann", plan="pro")
    segment = factories.make_segment(
        rule={"attribute": "plan", "is": "equals", "value": "pro"}
    )
    refresh.refresh(segment.pk)
    version = factories.make_version(connection=braze)
    return person, factories.make_engagement(segment, version)


def test_somebody_passes_and_the_request_is_shown(admin_page, ann):
    _, engagement = ann
    url = reverse("admin:engagements_engagement_person", args=[engagement.pk])
    page = words(admin_page.get(f"{url}?who=ann"))
    assert "No guard stops them." in page
    assert "Name of the User" in page or "first_name" in page or "Ann" in page


def test_who_lacks_a_value_is_not_sent_although_no_guard_stops_them(admin_page, ann):
    person, engagement = ann
    del person.attributes["first_name"]
    person.save()
    url = reverse("admin:engagements_engagement_person", args=[engagement.pk])
    page = words(admin_page.get(f"{url}?who=ann"))
    assert "<strong>Is not sent.</strong> No guard stops them, but" in page
    assert "No payload can be made for this person." in page
    assert "No guard stops them.</strong>" not in page


def test_the_first_guard_that_stops_somebody_says_why(admin_page, ann):
    person, engagement = ann
    engagement.exclusions.create(segment=factories.make_segment([person], name="Out"))
    ConsentRule.objects.create(
        channel="customer_data", attribute="agreed", values=["true"]
    )
    steps = {one.name: one for one in explaining.steps(engagement, person)}
    assert steps["Consent"].state == steps["Excluded segments"].state == "stops"
    assert steps["Holdout"].state == "off"
    url = reverse("admin:engagements_engagement_person", args=[engagement.pk])
    page = words(admin_page.get(f"{url}?person={person.pk}"))
    assert "Is not sent: Consent." in page
    assert "The person has not said yes (“agreed”)." in page


def test_who_has_no_room_under_a_cap_is_told_so(admin_page, ann):
    """And as long as there is room they pass: nothing is taken by asking."""
    person, engagement = ann
    FrequencyCap.objects.create(name="One a day", most=1)
    assert [
        explaining.decisive(explaining.steps(engagement, person)) for _ in "ab"
    ] == [
        None,
        None,
    ]
    other = factories.make_engagement(
        engagement.segment, engagement.version, includes_present=True
    )
    transitions.activate(other)
    working.to_the_end(other)
    url = reverse("admin:engagements_engagement_person", args=[engagement.pk])
    page = words(admin_page.get(f"{url}?person={person.pk}"))
    assert "Is not sent: Frequency caps." in page
    assert "“One a day”: at most 1 a day." in page


def test_who_waits_to_be_stopped_is_not_said_to_be_sent_later():
    later = explaining.Step(name="Quiet hours", state="later")
    passes = explaining.Step(name="Holdout", state="passes")
    stops = explaining.Step(name="Frequency caps", state="stops")
    assert explaining.decisive([passes, later, stops]) is stops
    assert explaining.decisive([passes, later]) is later
    assert explaining.decisive([passes]) is None


def test_who_was_sent_before_is_told_so(ann):
    person, engagement = ann
    engagement.includes_present = True
    engagement.save()
    transitions.activate(engagement)
    working.to_the_end(engagement)
    steps = explaining.steps(engagement, person)
    decisive = explaining.decisive(steps)
    assert decisive is not None and decisive.name == "Sent before"


def test_a_skipped_delivery_says_what_guards_say_now(admin_page, ann):
    person, engagement = ann
    Suppression.objects.create(kind="person", profile=person)
    engagement.includes_present = True
    engagement.save()
    transitions.activate(engagement)
    working.to_the_end(engagement)
    delivery = Delivery.objects.get()
    page = words(
        admin_page.get(reverse("admin:engagements_delivery_change", args=[delivery.pk]))
    )
    assert "Nothing: nothing was sent." in page
    assert "The person is on the suppression list." in page
    assert "What guards say now" in page


def test_several_are_asked_about_and_nobody_is_said(admin_page, ann):
    _, engagement = ann
    factories.make_profile(external_id="anna")
    url = reverse("admin:engagements_engagement_person", args=[engagement.pk])
    assert "No guard stops them." in words(admin_page.get(f"{url}?who=ann"))
    assert "Whom do you mean?" in words(admin_page.get(f"{url}?who=an"))
    page = words(admin_page.get(f"{url}?who=zoe"))
    assert "Nobody is found" in page and "look through" in page


def test_people_s_data_is_for_those_who_may_see_it(ann):
    _, engagement = ann
    url = reverse("admin:engagements_engagement_person", args=[engagement.pk])
    assert signed_in(LOOK).get(url).status_code == 403


def test_the_form_keeps_what_it_says_of_frequency_caps():
    engagement = factories.make_engagement()
    assert EngagementForm(posted(engagement), instance=engagement)["heeds_caps"].value()
    data = posted(engagement, heeds_caps="False", has_priority="on")
    form = EngagementForm(data, instance=engagement)
    assert form.is_valid(), form.errors
    form.save()
    saved = Engagement.objects.get()
    assert (saved.heeds_caps, saved.has_priority) == (False, True)
    again = EngagementForm(posted(saved), instance=saved)
    assert again.is_valid() and again.changed_data == []
