"""What the form of a rule is told of a name: a few values, and the fields of objects."""

import pytest
from django.contrib.auth.models import Permission

from tests.factories import make_dictionary_entry, make_event, make_profile

pytestmark = pytest.mark.django_db

URL = "/admin/segments/segment/examples/"
OBJECTS = [0, 0, 0, 0, 0, 2, 0, 0]
POLICIES = [
    {"number": "P-1", "lapses_on": "2026-12-01", "premium": 120},
    {"number": "P-2", "lapses_on": None, "premium": 80.5},
    "no object",
]


def ask(client, **asked):
    return client.get(URL, asked)


def test_values_of_an_attribute_and_of_an_events_property(admin_client):
    make_dictionary_entry("city")
    make_dictionary_entry("form", kind="property", event="Lead")
    make_event(make_profile(city="Pune"), "Lead", form="demo")
    found = ask(admin_client, kind="attribute", name="city").json()
    assert found == {"values": ["Pune"], "fields": []}
    found = ask(admin_client, kind="property", name="form", event="Lead").json()
    assert found == {"values": ["demo"], "fields": []}


def test_the_fields_of_a_list_of_objects_with_their_types(admin_client):
    make_dictionary_entry("policies", types=OBJECTS)
    make_profile(policies=POLICIES)
    make_profile(policies=[{"number": "P-3"}])
    make_profile(policies="no list")
    fields = ask(admin_client, kind="attribute", name="policies").json()["fields"]
    assert [(f["name"], f["type"], f["about"]) for f in fields] == [
        ("number", "text", "100 % of the items"),
        ("lapses_on", "date", "67 % of the items"),
        ("premium", "number", "67 % of the items"),
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"kind": "attribute", "name": "unheard of"},
        {"kind": "attribute", "name": "secret"},
        {"kind": "event", "name": "Lead"},
        {"kind": "\x00", "name": "a\x00"},
        {"kind": "attribute", "name": "a\x00"},
        {"kind": "property", "name": "a", "event": "\x00"},
    ],
    ids=["nothing", "no name", "hidden", "an event", "NUL", "in a name", "in an event"],
)
def test_nothing_is_said_of_what_is_not_offered(admin_client, asked):
    make_dictionary_entry("secret", is_hidden=True)
    make_dictionary_entry("Lead", kind="event")
    make_profile(secret="yes")
    response = ask(admin_client, **asked)
    assert response.json() == {"values": [], "fields": []}


def test_values_are_for_those_who_may_see_them(client, django_user_model):
    make_dictionary_entry("city")
    make_dictionary_entry("plan", is_personal=False)
    make_dictionary_entry("policies", types=OBJECTS)
    make_profile(city="Pune", plan="gold", policies=POLICIES)
    user = django_user_model.objects.create_user("ann", is_staff=True)
    client.force_login(user)
    assert ask(client, kind="attribute", name="city").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_segment"))
    assert ask(client, kind="attribute", name="city").json()["values"] == []
    assert ask(client, kind="attribute", name="plan").json()["values"] == ["gold"]
    # What a list of objects is made of says nothing of anybody.
    found = ask(client, kind="attribute", name="policies").json()
    assert found["values"] == [] and len(found["fields"]) == 3


def test_it_is_asked_and_not_told(admin_client):
    assert admin_client.post(URL).status_code == 405
