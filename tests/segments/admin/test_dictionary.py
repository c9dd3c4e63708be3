"""The pages of the dictionary: the list, an entry, and what people say of it."""

from datetime import timedelta
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from lemnisk_braze.lib import database_clock
from segments.models import DictionaryBuild, DictionaryEntry
from tests.factories import (
    make_dictionary_entry,
    make_engagement,
    make_event,
    make_profile,
    make_segment,
    make_source,
    make_user,
)

pytestmark = pytest.mark.django_db

LOOK = "segments.view_dictionaryentry"
LIST = reverse("admin:segments_dictionaryentry_changelist")
FORM = {
    "description": "",
    "owner": "",
    "is_personal": "",
    "expected_type": "",
    "on_mismatch": "flag",
}


def listed(client, query=""):
    rows = client.get(f"{LIST}?{query}").context["cl"].result_list
    return [str(row) for row in rows]


def page(client, entry):
    return " ".join(unescape(client.get(entry.get_absolute_url()).text).split())


@pytest.fixture
def names():
    """An attribute, an event with a property, an old name and one of personal data."""
    source = make_source(name="Website")
    long_ago = timezone.now() - timedelta(days=40)
    make_dictionary_entry(
        "plan", count=9, sources={str(source.pk): "2026-01-01T10:00Z"}
    )
    make_dictionary_entry("Lead", kind="event", count=8, is_planned=True)
    make_dictionary_entry("form", kind="property", event="Lead", count=4)
    make_dictionary_entry(
        "score", count=3, last_seen=long_ago, types=[0, 3, 0, 0, 0, 0, 0, 0]
    )
    make_dictionary_entry("email", count=2, looks_personal="email", mismatches=1)
    return source


def test_the_list_has_attributes_and_events_by_how_often_they_came(admin_client, names):
    assert listed(admin_client) == ["plan", "Lead", "score", "email"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=attribute", ["plan", "score", "email"]),
        ("kind=event", ["Lead"]),
        ("kind=property", ["Lead · form"]),
        ("kind=all", ["plan", "Lead", "Lead · form", "score", "email"]),
        ("state=unplanned", ["plan", "score", "email"]),
        ("state=unplanned&kind=property", ["Lead · form"]),
        ("state=planned", ["Lead"]),
        ("state=mismatched", ["email"]),
        ("type=number&kind=attribute", ["plan", "score", "email"]),
        ("type=boolean", []),
        ("personal=yes", ["email"]),
        ("personal=no&kind=attribute", ["plan", "score"]),
        ("seen=long", ["score"]),
        ("seen=lately&kind=attribute", ["plan", "email"]),
        ("q=OR", ["Lead · form", "score"]),
    ],
)
def test_the_list_is_filtered_and_searched(admin_client, names, query, found):
    assert listed(admin_client, query) == found


def test_the_list_is_filtered_by_who_sent_it(admin_client, names):
    make_source(name="App")
    assert listed(admin_client, f"sent_by={names.pk}") == ["plan"]
    assert listed(admin_client, "sent_by=x") == []


def test_pages_go_by_key(admin_client):
    for n in range(60):
        make_dictionary_entry(f"n{n:02}", count=1000 - n)
    first = admin_client.get(LIST)
    assert len(first.context["cl"].result_list) == 50
    older = first.context["cl"].paginator.older
    assert listed(admin_client, older.removeprefix("?")) == [
        f"n{n}" for n in range(50, 60)
    ]


def test_several_are_marked_as_planned_at_once(admin_client, names):
    chosen = DictionaryEntry.objects.filter(name__in=["plan", "score"])
    data = {"action": "mark_planned", "_selected_action": [e.pk for e in chosen]}
    admin_client.post(LIST, data)
    assert listed(admin_client, "state=planned") == ["plan", "Lead", "score"]
    assert LogEntry.objects.filter(change_message__contains="Planned").count() == 2


def test_the_list_says_what_it_lacks(admin_client, names, monkeypatch):
    from segments.dictionary import writing

    DictionaryBuild.objects.create(table="events", until_id=200, next_id=86, every=1)
    monkeypatch.setitem(writing.BUDGET, "attribute", 1)
    DictionaryEntry.objects.filter(name="plan").update(source=names)
    text = " ".join(unescape(admin_client.get(LIST).text).split())
    assert (
        "events are stored already is being read, a little at a time: 43 % so far"
        in text
    )
    assert "“Website” has brought 1 attributes, as many as are listed." in text


# --- One entry --------------------------------------------------------------------


def test_the_page_of_an_attribute(admin_client, names):
    make_profile(plan="gold")
    make_profile(plan="silver", external_id=None)
    make_segment(name="Payers", rule={"attribute": "plan", "is": "is_present"})
    plan = DictionaryEntry.objects.get(name="plan")
    DictionaryEntry.objects.filter(pk=plan.pk).update(people=1, people_asked=4)
    text = page(admin_client, plan)
    assert "25 % of people" in text
    assert "<code>gold</code>" in text
    assert "<code>silver</code>" in text
    assert "91.7%" in text
    assert "Website" in text
    assert "Payers</a>" in text


def test_the_page_of_an_event_has_its_properties(admin_client, names):
    make_segment(name="Leads", rule={"event": "Lead"}, event_names=["Lead"])
    text = page(admin_client, DictionaryEntry.objects.get(name="Lead"))
    assert "form</a>" in text
    assert "50 % of these events" in text
    assert "Leads</a>" in text
    assert "Expected type" not in text


def test_the_page_of_a_property_has_the_engagements_that_read_it(admin_client, names):
    where = [{"property": "form", "is": "equals", "value": "demo"}]
    rule = {"event": "Lead", "where": where}
    segment = make_segment(name="Demos", rule=rule, event_names=["Lead"])
    values = {"Product": "{{ event.properties.form | upcase }}"}
    make_engagement(segment, name="Welcome", values=values)
    other = make_segment(rule={"event": "Sale"}, event_names=["Sale"])
    make_engagement(other, name="Elsewhere", values=values)
    make_event(make_profile(), "Lead", form="demo")
    text = page(admin_client, DictionaryEntry.objects.get(name="form"))
    assert "Demos</a>" in text
    assert "Welcome</a>" in text
    assert "Elsewhere" not in text
    assert "<code>demo</code>" in text


def test_an_attribute_has_the_engagements_that_read_it(admin_client, names):
    make_engagement(
        name="Welcome", values={"A": "{{ profile.plan }}", "B": "{{ broken"}
    )
    make_engagement(name="Other", values={"A": "profile.plan"})
    text = page(admin_client, DictionaryEntry.objects.get(name="plan"))
    assert "Welcome</a>" in text
    assert "Other</a>" not in text


def test_who_may_not_see_people_sees_no_values(client, names):
    make_profile(plan="gold", email="ann@example.com")
    user = make_user(LOOK)
    client.force_login(user)
    for entry in DictionaryEntry.objects.all():
        text = page(client, entry)
        assert "gold" not in text
        assert "ann@" not in text


def test_an_erased_person_is_in_no_example(admin_client, names):
    person = make_profile(email="ann@example.com", plan="unheard-of")
    plan = DictionaryEntry.objects.get(name="plan")
    assert "unheard-of" in page(admin_client, plan)
    person.delete()
    assert "unheard-of" not in page(admin_client, plan)


def test_odd_values_are_shown_as_text(admin_client):
    make_profile(**{"x<b>": "<i>1</i>"})
    make_profile(**{"x<b>": {"a": "é" * 100}})
    entry = make_dictionary_entry("x<b>")
    text = admin_client.get(entry.get_absolute_url()).text
    assert "<i>1" not in text
    assert "&lt;i&gt;1" in text
    assert "é…</code>" in text


# --- What people say of it --------------------------------------------------------


def test_describing_it_says_that_it_is_planned(admin_client, names):
    plan = DictionaryEntry.objects.get(name="plan")
    data = {**FORM, "description": "What they pay for", "owner": "CRM team"}
    assert admin_client.post(plan.get_absolute_url(), data).status_code == 302
    plan.refresh_from_db()
    assert (plan.description, plan.owner) == ("What they pay for", "CRM team")
    assert plan.is_planned
    assert plan.count == 9
    assert "What they pay for" in LogEntry.objects.get().change_message


@pytest.mark.parametrize(("said", "kept"), [("yes", True), ("no", False), ("", None)])
def test_whether_it_is_personal_is_a_person_s_word(admin_client, names, said, kept):
    email = DictionaryEntry.objects.get(name="email")
    DictionaryEntry.objects.update(is_personal=not kept)
    admin_client.post(email.get_absolute_url(), {**FORM, "is_personal": said})
    email.refresh_from_db()
    assert email.is_personal is kept


def test_what_would_hit_live_data_is_asked_first(admin_client):
    today = database_clock.now().date()
    entry = make_dictionary_entry(
        "age",
        day=today,
        day_types=[3, 5, 0, 2, 0, 0, 0, 4],
        day_before_types=[1, 7, 0, 0, 0, 0, 0, 0],
    )
    data = {**FORM, "expected_type": "number", "on_mismatch": "refuse"}
    asked = admin_client.post(entry.get_absolute_url(), data)
    text = unescape(asked.text)
    assert "Refuse what is not a number?" in text
    assert "Since yesterday 6 values of “age” came that were not a number" in text
    entry.refresh_from_db()
    assert entry.expected_type == ""
    hidden = asked.context["question"].hidden
    assert admin_client.post(entry.get_absolute_url(), hidden).status_code == 302
    entry.refresh_from_db()
    assert (entry.expected_type, entry.on_mismatch) == ("number", "refuse")


@pytest.mark.parametrize(
    ("expected", "on_mismatch", "age"),
    [
        ("number", "flag", 0),
        ("text", "refuse", 0),
        ("", "refuse", 0),
        ("number", "drop", 2),
    ],
)
def test_what_hits_nothing_is_saved_at_once(admin_client, expected, on_mismatch, age):
    day = database_clock.now().date() - timedelta(days=age)
    entry = make_dictionary_entry("x", day=day, day_types=[3, 0, 0, 2, 0, 0, 0, 4])
    data = {**FORM, "expected_type": expected, "on_mismatch": on_mismatch}
    assert admin_client.post(entry.get_absolute_url(), data).status_code == 302
    entry.refresh_from_db()
    assert (entry.expected_type, entry.on_mismatch) == (expected, on_mismatch)


@pytest.mark.parametrize(
    ("group", "may_change"),
    [("Marketer", True), ("Engineer", True), ("Approver", False), ("Analyst", False)],
)
def test_who_may_say_something_of_it(client, names, group, may_change):
    user = make_user()
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    plan = DictionaryEntry.objects.get(name="plan")
    client.post(plan.get_absolute_url(), {**FORM, "owner": "Me"})
    plan.refresh_from_db()
    assert (plan.owner == "Me") is may_change
    assert listed(client)[0] == "plan"


def test_nobody_adds_or_deletes_a_name(admin_client, names):
    plan = DictionaryEntry.objects.get(name="plan")
    assert admin_client.get(f"{LIST}add/").status_code == 403
    url = reverse("admin:segments_dictionaryentry_delete", args=[plan.pk])
    assert admin_client.post(url, {"post": "yes"}).status_code == 403


# --- Where it is offered ----------------------------------------------------------


def test_a_person_s_attributes_lead_to_their_entries(client, names):
    person = make_profile(plan="gold", unlisted=1)
    plan = DictionaryEntry.objects.get(name="plan")
    link = f'<a href="{plan.get_absolute_url()}">plan</a>'
    see = ("segments.view_profile", "segments.view_personal_data")
    for permissions, is_link in ((see, False), ((*see, LOOK), True)):
        client.force_login(make_user(*permissions))
        text = page(client, person)
        assert (link in text) is is_link
        assert "unlisted" in text
