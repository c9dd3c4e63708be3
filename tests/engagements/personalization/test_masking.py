"""A request is masked where it comes from the person, and nowhere else."""

import orjson
import pytest

from engagements.authoring.preview import preview
from externalapi.template.parameters import Level, Parameter, ParameterType
from segments import naming
from tests import factories

pytestmark = pytest.mark.django_db

BODY = """{"campaign_id": "spring-2026", "attributes": [{
  "external_id": "{{Who}}", "name": "{{Name of the User}}", "source": "Lemnisk",
  "text": "Dear {{Name of the User}}!", "level": "{{Level}}", "plan": "{{Plan}}"}]}"""


def parameter(name, **fields):
    return Parameter(name=name, type=ParameterType.ANY, **fields).to_dict()


def body_of(values, body=BODY, **fields):
    version = factories.make_version(
        body,
        parameters=[
            parameter("Who", level=Level.IDENTIFIER),
            parameter("Name of the User"),
            parameter("Level", required=False),
            parameter("Plan", required=False, default="basic"),
        ],
        **fields,
    )
    person = factories.make_profile(
        external_id="crm-4711", first_name="Annabel", points=4711, gender="f"
    )
    segment = factories.make_segment([person], name="Leads")
    shown = preview(version, values, segment, person, mask=naming.masked)
    assert not shown.problems
    assert "4711" not in shown.body and "Annabel" not in shown.body
    assert "Annabel" not in str(shown.headers)
    return shown


def test_constants_stay_and_the_person_is_masked():
    shown = body_of(
        {
            "Name of the User": "{{ profile.first_name }}",
            "Level": "{{ profile.points }}",
        }
    )
    assert orjson.loads(shown.body) == {
        "campaign_id": "spring-2026",
        "attributes": [
            {
                "external_id": "c…",
                "name": "A…",
                "source": "Lemnisk",
                "text": "Dear A…!",
                "level": "…",
                "plan": "basic",
            }
        ],
    }


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Somebody", "Somebody"),
        ("{{ segment.name }}", "Leads"),
        (
            "Hello {{ profile.first_name | upcase }} of {{ segment.name }}",
            "Hello A… of Leads",
        ),
        ('{{ "Hi" | append: profile.first_name }}', "H…"),
        ("{{ profile.points | plus: 1 }}", "…"),
        # Which of them is chosen says something of the person.
        ("{% if profile.gender == 'f' %}Ms{% else %}Mr{% endif %}", "M…"),
        ("{% assign n = profile.first_name %}Dear {{ n }}", "D… A…"),
    ],
)
def test_of_a_value_only_what_the_person_has(value, name):
    body = orjson.loads(body_of({"Name of the User": value}).body)
    assert body["attributes"][0]["name"] == name


def test_what_stands_in_address_and_headers_as_well_is_masked():
    """Where a mask could not be sent."""
    shown = body_of(
        {"Name of the User": "{{ profile.first_name }}"},
        path="/users/{{Name of the User}}",
        headers={"X-Name": "{{Name of the User}}"},
    )
    assert shown.url == "/users/{{Name of the User}}"
    assert shown.headers["X-Name"] == "{{Name of the User}}"
    assert orjson.loads(shown.body)["attributes"][0]["name"] == "A…"


def test_without_a_value_the_default_of_the_external_api_stays():
    values = {"Name of the User": "x", "Plan": "{{ profile.plan }}"}
    body = orjson.loads(body_of(values).body)
    assert body["attributes"][0]["plan"] == "basic"
