import pytest

from externalapi.importers.common.suggestions import accept, suggest, title
from externalapi.importers.common.types import Place
from externalapi.importers.curl.command import read_curl
from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.template.parser import parse_body

TRACK = """curl https://rest.iad-01.braze.com/users/track --json '{
  "events": [{
    "external_id": "<user_id>",
    "app_id": "your_app_identifier",
    "name": "rented_movie",
    "time": "2022-12-06T19:20:45+01:00",
    "properties": {"name": "Up", "price": 9.5, "is_new": true, "note": null,
      "greeting": "Hello $FIRST_NAME, take {{Known}}"}
  }],
  "attributes": [{"external_id": "<user_id>"}]
}'"""


def by_name(found):
    return {one.name: one for one in suggest(found)}


def test_each_value_is_offered_once_with_a_name_and_a_type():
    offered = by_name(read_curl(TRACK))
    assert {
        name: (one.text, one.type, one.is_gap) for name, one in offered.items()
    } == {
        "User ID": ("<user_id>", ParameterType.TEXT, True),
        "App Identifier": ("your_app_identifier", ParameterType.TEXT, True),
        "First Name": ("$FIRST_NAME", ParameterType.TEXT, True),
        "Name": ("rented_movie", ParameterType.TEXT, False),
        "Time": ("2022-12-06T19:20:45+01:00", ParameterType.DATETIME, False),
        "Property Name": ("Up", ParameterType.TEXT, False),
        "Price": ("9.5", ParameterType.NUMBER, False),
        "Is New": ("true", ParameterType.BOOLEAN, False),
    }
    assert offered["User ID"].is_identifier


def test_what_is_picked_becomes_a_parameter_and_the_rest_stays():
    found = accept(
        read_curl(TRACK), {"User ID", "First Name", "Price", "Property Name"}
    )
    assert parse_body(found.body) == {
        "events": [
            {
                "external_id": "{{User ID}}",
                "app_id": "your_app_identifier",
                "name": "rented_movie",
                "time": "2022-12-06T19:20:45+01:00",
                "properties": {
                    "name": "{{Property Name}}",
                    "price": "{{Price}}",
                    "is_new": True,
                    "note": None,
                    "greeting": "Hello {{First Name}}, take {{Known}}",
                },
            }
        ],
        "attributes": [{"external_id": "{{User ID}}"}],
    }
    assert '"price": {{Price}}' in found.body
    assert found.parameters == (
        Parameter(name="User ID", level=Level.IDENTIFIER),
        Parameter(name="Property Name"),
        Parameter(name="Price", type=ParameterType.NUMBER),
        Parameter(name="First Name"),
    )


def test_nothing_picked_changes_nothing():
    found = read_curl(TRACK)
    assert accept(found, ()) == found


@pytest.mark.parametrize(
    ("path", "name", "after"),
    [
        ("/users/{user_id}/items", "User ID", "/users/{{User ID}}/items"),
        ("/users/<id>", "ID", "/users/{{ID}}"),
        ("/users/%7BuserId%7D", "User ID", "/users/{{User ID}}"),
        ("/users/:id", "ID", "/users/{{ID}}"),
        ("/users/12345", "User ID", "/users/{{User ID}}"),
        (
            "/users/5f0c9a10-3b1e-4c7d-8a55-0123456789ab",
            "User ID",
            "/users/{{User ID}}",
        ),
        ("/users/USER-{id}.json", "ID", "/users/USER-{{ID}}.json"),
    ],
)
def test_gaps_in_the_path(path, name, after):
    found = read_curl(f"curl 'https://a.io{path}'")
    assert [one.name for one in suggest(found)] == [name]
    assert accept(found, {name}).path == after


def test_gaps_in_the_query_and_in_headers():
    found = read_curl(
        "curl 'https://a.io/x?email={email}&limit=10&known={{Known}}' -H 'X-For: <team>'"
    )
    assert {n: o.places for n, o in by_name(found).items()} == {
        "Email": (Place.QUERY,),
        "Limit": (Place.QUERY,),
        "Team": (Place.HEADERS,),
    }
    accepted = accept(found, {"Email", "Team"})
    assert accepted.query == (
        ("email", "{{Email}}"),
        ("limit", "10"),
        ("known", "{{Known}}"),
    )
    assert accepted.headers == {"X-For": "{{Team}}"}


def test_markup_is_no_gap():
    found = read_curl("""curl https://a.io/x --json '{"html": "<b>Hi</b>"}'""")
    assert not any(one.is_gap for one in suggest(found))


def test_names_do_not_collide_with_placeholders_that_are_there():
    found = read_curl("""curl https://a.io/x --json '{"a": {{Email}}, "email": "x"}'""")
    assert [one.name for one in suggest(found)] == ["Email 2"]


def test_a_parent_without_letters_is_no_part_of_a_name():
    found = read_curl("""curl https://a.io/x --json '{"a": 1, ":": {"a": 2}}'""")
    assert [one.name for one in suggest(found)] == ["A", "A 2"]


@pytest.mark.parametrize(
    ("technical", "read"),
    [
        ("external_id", "External ID"),
        ("YOUR_APP_ID", "App ID"),
        ("customerFirstName", "Customer First Name"),
        ("HTTPStatus", "HTTP Status"),
        ("address.line1", "Address Line 1"),
    ],
)
def test_technical_names_are_written_as_people_read_them(technical, read):
    assert title(technical) == read
