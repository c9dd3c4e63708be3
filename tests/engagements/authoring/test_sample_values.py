"""A real person's data as test values: found, matched by name, and for who may see it."""

from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from engagements.authoring.sample_values import find_people, likeness, suggest
from externalapi.models import ExternalAPI
from externalapi.template.parameters import as_text
from tests.factories import (
    make_event,
    make_external_api,
    make_people,
    make_profile,
    make_user,
    make_version,
    parameter,
)

pytestmark = pytest.mark.django_db

BODY = """{"attributes": [{"external_id": {{External ID}}, "first_name": {{Name of the User}},
 "email": {{Email}}, "phone": {{Mobile}}, "vip": {{VIP}}}],
 "events": [{"time": {{Event Time}}, "product": {{Product ID}}, "price": {{Price}}}]}"""
PARAMETERS = [
    parameter("External ID", level="identifier"),
    parameter("Name of the User"),
    parameter("Email"),
    parameter("Mobile"),
    parameter("VIP", type="boolean"),
    parameter("Event Time", type="datetime"),
    parameter("Product ID"),
    parameter("Price", type="number"),
    parameter("Source", level="fixed", value="web"),
]


@pytest.fixture
def version():
    return make_version(BODY, PARAMETERS)


@pytest.fixture
def ann():
    return make_profile(
        external_id="ann-1",
        email="ann@example.com",
        phone="+4915112345678",
        first_name="Ann",
        last_name="Lee",
        vip="yes",
        price="a lot",
    )


def found(version, person, event=None):
    return {
        one.parameter: (one.value, one.source)
        for one in suggest(version, person, event)
    }


def test_parameters_find_their_values_by_name(version, ann):
    event = make_event(ann, product_id="gold-card", price=9.5)
    assert found(version, ann, event) == {
        "External ID": ("ann-1", "external_id"),
        "Name of the User": ("Ann", "first_name"),
        "Email": ("ann@example.com", "email"),
        "Mobile": ("+4915112345678", "phone"),
        "VIP": ("yes", "vip"),
        "Event Time": (as_text(event.time), "event.time"),
        "Product ID": ("gold-card", "event.properties.product_id"),
        "Price": ("9.5", "event.properties.price"),
    }


def test_without_an_event_a_person_fills_what_is_theirs(version, ann):
    names = found(version, ann)
    assert "Event Time" not in names
    assert "Product ID" not in names
    assert "Price" not in names, "“a lot” is not a number"


def test_the_identifier_is_the_channels(version, ann):
    version.external_api.channel_identifier = ExternalAPI.ChannelIdentifier.PHONE
    assert found(version, ann)["External ID"] == ("+4915112345678", "phone")


def test_a_person_without_the_identifier_does_not_borrow_another(version):
    nobody = make_profile(external_id=None, email="x@example.com")
    assert "External ID" not in found(version, nobody)


def test_a_label_counts_as_much_as_a_name(ann):
    labelled = parameter("x1") | {"label": "Last name"}
    version = make_version('{"a": {{x1}}}', [labelled])
    assert found(version, ann)["x1"] == ("Lee", "last_name")


@pytest.mark.parametrize(
    ("one", "other", "is_alike"),
    [
        ("product id", "product id", True),
        ("productid", "product id", True),
        ("city", "home city", True),
        ("price", "prize", False),
        ("id", "paid", False),
        ("plan", "plane ticket", False),
        ("", "email", False),
    ],
)
def test_names_that_are_alike(one, other, is_alike):
    assert (likeness(one, other) >= 0.5) is is_alike


# Finding people


@pytest.mark.parametrize("wanted", ["ann-", "ann@ex", "ANN@EX", "+49151", " ann-1 "])
def test_people_are_found_by_how_an_identifier_begins(ann, wanted):
    make_people(3)
    assert find_people(wanted) == [ann]


def test_a_person_who_was_merged_away_is_not_found(ann):
    ann.merged_into = make_profile()
    ann.save()
    assert find_people("ann") == []


def test_without_a_word_those_of_the_newest_events_are_offered(ann):
    make_people(3)
    later = make_profile()
    for person in (ann, ann, later):
        make_event(person)
    assert find_people("") == [later, ann]


# The address


def url(version):
    return reverse(
        "admin:engagements_engagement_test_people", args=[version.external_api_id]
    )


def test_the_answer_names_inputs_and_holds_what_they_take(
    admin_client, version, ann, settings
):
    settings.TIME_ZONE = "Asia/Kolkata"
    make_event(ann, product_id="gold-card")
    answer = admin_client.post(url(version), {"q": "ann"})
    assert "no-store" in answer["Cache-Control"]
    (person,) = answer.json()["people"]
    assert (person["name"], person["detail"]) == (
        *("ann-1", "ann@example.com, +4915112345678"),
    )
    values = {one["input"]: one["value"] for one in person["events"][0]["values"]}
    assert values["id_p1"] == "Ann"
    assert values["id_p4"] == "true", "as the select says it"
    at = ann.events.get().time.astimezone(ZoneInfo("Asia/Kolkata"))
    assert values["id_p5"].startswith(f"{at:%Y-%m-%dT%H:%M:%S}")
    assert {one["input"] for one in person["values"]} == {
        *("id_p0", "id_p1", "id_p2", "id_p3", "id_p4"),
    }


@pytest.mark.parametrize(
    "permissions", [["segments.view_profile"], ["externalapi.test_externalapi"], []]
)
def test_people_are_for_who_may_see_them_and_test(client, version, ann, permissions):
    client.force_login(make_user(*permissions))
    assert client.post(url(version), {"q": "ann"}).status_code == 403


def test_events_are_for_who_may_see_them(client, version, ann):
    make_event(ann, product_id="gold-card")
    client.force_login(
        make_user(
            "segments.view_profile",
            "segments.view_personal_data",
            "externalapi.test_externalapi",
        )
    )
    (person,) = client.post(url(version), {"q": "ann"}).json()["people"]
    assert person["events"] == []
    assert person["values"]


def test_no_address_with_personal_data_is_opened(admin_client, version):
    assert admin_client.get(url(version), {"q": "ann"}).status_code == 405
    api = make_external_api()
    other = reverse("admin:engagements_engagement_test_people", args=[api.pk])
    assert admin_client.post(other, {"q": ""}).status_code == 404


def test_the_page_offers_it_only_to_who_may_see_people(client, version):
    page = reverse("admin:externalapi_externalapi_test", args=[version.external_api_id])
    client.force_login(make_user("externalapi.test_externalapi"))
    assert "Fill from a person" not in client.get(page).content.decode()
    client.force_login(
        make_user(
            "externalapi.test_externalapi",
            "segments.view_profile",
            "segments.view_personal_data",
        )
    )
    assert "Fill from a person" in client.get(page).content.decode()
