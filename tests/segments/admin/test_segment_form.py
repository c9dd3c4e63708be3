"""The page of a segment: what is saved, what is refused, what stays typed."""

import json
import uuid
from html import unescape
from urllib.parse import urlencode

import pytest
from django.urls import reverse
from django.utils import timezone

from segments.builder.form_data import form_data
from segments.models import Segment
from tests.factories import (
    make_dictionary_entry,
    make_engagement,
    make_event,
    make_list,
    make_profile,
    make_segment,
)

pytestmark = pytest.mark.django_db

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
ADD = "/admin/segments/segment/add/"


def form(rule, **fields):
    rule = rule if isinstance(rule, str) else json.dumps(rule)
    return {"name": "Leads", "rule": rule, "is_active": "on", **fields}


def test_a_new_segment_is_counted_at_once(
    admin_client, django_capture_on_commit_callbacks
):
    make_profile(city="Pune")
    make_profile(city="Delhi")
    rule = {"all": [PUNE, {"not": {"event": "Lead"}}]}
    with django_capture_on_commit_callbacks(execute=True):
        assert admin_client.post(ADD, form(rule)).status_code == 302
    segment = Segment.objects.get()
    assert (segment.rule, segment.event_names, segment.size) == (rule, ["Lead"], 1)
    page = admin_client.get(segment.get_absolute_url()).text
    assert "City equals Pune and did not do “Lead”." in page


def test_a_changed_rule_is_counted_anew_and_a_changed_name_is_not(
    admin_client, django_capture_on_commit_callbacks
):
    make_profile(city="Pune")
    segment = make_segment(rule={"event": "E"}, event_names=["E"])
    url = segment.get_absolute_url()
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(url, form(PUNE))
    segment.refresh_from_db()
    assert (segment.size, segment.event_names) == (1, [])
    counted_at = segment.refreshed_at
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(url, form(PUNE, name="Renamed"))
    segment.refresh_from_db()
    assert (segment.name, segment.refreshed_at) == ("Renamed", counted_at)


def test_a_rule_with_50000_pasted_ids_is_saved(
    admin_client, django_capture_on_commit_callbacks
):
    ids = [str(uuid.UUID(int=number)) for number in range(50_000)]
    make_profile(order=ids[-1])
    rule = {"attribute": "order", "is": "in", "value": ids}
    # As a browser sends what stands in the field.
    typed = json.dumps(rule, indent=2).replace("\n", "\r\n")
    with django_capture_on_commit_callbacks(execute=True):
        response = admin_client.post(
            ADD,
            urlencode(form(typed)),
            content_type="application/x-www-form-urlencoded",
        )
    assert response.status_code == 302
    segment = Segment.objects.get()
    assert (segment.rule, segment.size) == (rule, 1)


def test_a_segment_switched_off_is_not_counted(admin_client):
    make_profile(city="Pune")
    data = form(PUNE)
    del data["is_active"]
    admin_client.post(ADD, data)
    assert Segment.objects.get().refreshed_at is None


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("", "Rule: add at least one condition."),
        ("{}", "Rule: add at least one condition."),
        ("{", "This is not valid JSON."),
        ("[" * 50_000, "This is not valid JSON."),
        ('{"attribute": "a", "is": "greater", "value": ' + "9" * 5_000 + "}", "This is not valid JSON."),
        ('{"attribute": "a", "is": "greater", "value": NaN}', "enter a number or a date"),
        ('{"\\ud800": 1, "event": "E"}', "does not belong here."),
        ('"' + "x" * 2_400_001 + '"', "A rule has at most 2.4 MB."),
        # In bytes.
        ('"' + "न" * 800_000 + '"', "A rule has at most 2.4 MB."),
        ('{"event": "E", "at_least": 2, "event": "F"}', "Rule: “event” stands twice in one object."),
        ('{"all": [{"event": "E"}, {"attribute": "<b>", "is": "x"}]}', "Condition 2, attribute &lt;b&gt;: choose a comparison"),
    ],
    ids=["nothing", "empty", "cut off", "depth bomb", "5,000 digits", "NaN", "surrogate", "endless", "endless in bytes", "twice", "markup"],
)  # fmt: skip
def test_a_wrong_rule_is_refused_and_stays_typed(admin_client, rule, message):
    response = admin_client.post(ADD, form(rule))
    assert response.status_code == 200
    assert message in response.text
    assert response.context["adminform"].form["rule"].value() == rule
    assert not Segment.objects.exists()


def test_a_rule_that_costs_too_much_is_refused_in_words(admin_client):
    where = [{"property": "p", "is": "contains", "value": "x"}] * 90
    rule = {"any": [{"event": f"E{n}", "where": where} for n in range(9)]}
    page = unescape(admin_client.post(ADD, form(rule)).text)
    assert "Rule: it compares too much" in page
    assert "Use fewer conditions, fewer “where”" in page
    assert not Segment.objects.exists()


def test_the_message_is_given_to_the_row_builder(admin_client):
    rule = {"all": [PUNE, {**PUNE, "value": ""}]}
    page = admin_client.post(ADD, form(rule)).text
    assert (
        'data-error="Condition 2, attribute city, “equals”: enter up to 1,000' in page
    )


def test_the_page_offers_the_names_that_are_known(admin_client):
    make_dictionary_entry("city")
    make_dictionary_entry("age", types=[0, 9, 0, 0, 0, 0, 0, 0])
    make_dictionary_entry("old", is_hidden=True)
    for name in ("Lead form submitted", "Checkout"):
        make_dictionary_entry(name, kind="event", people=1, people_asked=8)
    make_dictionary_entry("form", kind="property", event="Checkout", count=3)
    data = admin_client.get(ADD).context["rule_data"]
    assert [one["name"] for one in data["attributes"]] == [
        "external_id",
        "email",
        "phone",
        "age",
        "city",
    ]
    assert data["attributes"][3] == {
        "name": "age",
        "type": "number",
        "label": "number",
        "about": "seen just now",
        "description": "",
    }
    assert [(one["name"], one["about"]) for one in data["events"]] == [
        ("Checkout", "12 % of people · seen just now"),
        ("Lead form submitted", "12 % of people · seen just now"),
    ]
    (form,) = data["properties"]["Checkout"]
    assert form["about"] == "25 % of these events · seen just now"


def test_starting_points_are_for_a_new_segment(admin_client):
    assert len(admin_client.get(ADD).context["rule_data"]["starting_points"]) == 5
    page = admin_client.get(make_segment(rule=PUNE).get_absolute_url())
    assert page.context["rule_data"]["starting_points"] == []


def test_a_rule_that_reads_what_never_came_says_so(admin_client):
    make_dictionary_entry("city")
    make_dictionary_entry("Lead", kind="event")
    where = [{"property": "form", "is": "equals", "value": "demo"}]
    rule = {
        "all": [
            {"attribute": "citty", "is": "equals", "value": "Pune"},
            {"attribute": "email", "is": "is_present"},
            {"event": "Lead", "where": where},
            {"event": "Sale"},
        ]
    }
    # Saved all the same: it may be sent from tomorrow on.
    assert admin_client.post(ADD, form(rule)).status_code == 302
    page = unescape(admin_client.get(Segment.objects.get().get_absolute_url()).text)
    assert "attribute “citty” so far. Did you mean “city”?" in page
    assert "No event “Lead” came with the property “form” so far." in page
    assert "Nobody has done “Sale” so far." in page
    assert page.count("so far.") == 3


def test_markup_in_names_is_text(admin_client):
    profile = make_profile(external_id="<script>1</script>", **{"<b>": "<i>"})
    make_event(profile, "<u>", **{"<s>": "<em>"})
    segment = make_segment([profile], rule={"event": "<u>"}, name="<h1>")
    for page in (
        admin_client.get(segment.get_absolute_url()).text,
        admin_client.get(profile.get_absolute_url()).text,
        admin_client.get(reverse("admin:segments_segment_changelist")).text,
    ):
        for markup in ("<script>1", "<b>", "<i>", "<u>", "<s>", "<em>", "<h1></"):
            assert markup not in page


def test_a_segment_in_use_says_by_whom_and_is_not_deleted(admin_client):
    segment = make_segment(rule=PUNE, name="Used")
    make_engagement(segment, name="Welcome")
    url = reverse("admin:segments_segment_delete", args=[segment.pk])
    for response in (admin_client.get(url), admin_client.post(url, {"post": "yes"})):
        assert "“Used” is in use and cannot be deleted" in response.text
        assert "Engagement: Welcome" in response.text
    assert Segment.objects.exists()


def test_a_segment_without_users_is_deleted_with_its_history(
    admin_client, django_assert_max_num_queries
):
    segment = make_segment(3, rule=PUNE)
    url = reverse("admin:segments_segment_delete", args=[segment.pk])
    assert "the list of its 3 people" in admin_client.get(url).text
    admin_client.post(url, {"post": "yes"})
    assert not Segment.objects.exists()


def test_the_list_says_what_each_segment_means(admin_client):
    make_segment(rule=PUNE)
    Segment.objects.create(name="New", rule={"event": "E"})
    Segment.objects.create(name="Broken", rule={"broken": 1})
    page = admin_client.get(reverse("admin:segments_segment_changelist")).text
    assert "City equals Pune" in page
    assert "being counted" in page
    assert "use exactly one of" in page


def test_what_a_rule_may_name_is_offered_with_its_size():
    make_segment(1, name="One")
    make_segment(2, name="Two", is_active=False)
    make_segment(name="Three", is_active=False, is_draft=True)
    make_segment(name="Old", is_active=False, archived_at=timezone.now())
    make_list("a", name="Guest")
    make_list("a", "b", name="Guests")
    offered = {
        key: [(one["text"], one["about"]) for one in choices]
        for key, choices in form_data(None)["choices"].items()
    }
    assert offered == {
        "segment": [
            ("One", "1 person"),
            ("Three", "0 people, draft"),
            ("Two", "2 people, paused"),
        ],
        "list": [("Guest", "1 identifier"), ("Guests", "2 identifiers")],
    }


def test_what_a_rule_names_is_offered_though_it_was_archived():
    """Else the form would say that it is not there any more."""
    old = make_segment(3, name="Old", is_active=False, archived_at=timezone.now())
    asking = make_segment(rule={"all": [PUNE, {"not": {"segment": old.pk}}]})
    make_segment(name="Else", is_active=False, archived_at=timezone.now())
    offered = form_data(asking)["choices"]["segment"]
    assert [(one["text"], one["about"]) for one in offered] == [
        ("Old", "3 people, archived")
    ]
