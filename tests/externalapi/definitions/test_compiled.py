import json

import orjson
import pytest

from externalapi.connections.key_rules import KEY_ROOM
from externalapi.definitions.compiled import (
    InvalidParameterError,
    MissingParameterError,
    compile_version,
    parameters_found,
)
from externalapi.http.auth import Auth, SignIn
from externalapi.http.ssrf import check_url
from externalapi.models import Connection, ExternalAPI, ExternalAPIVersion
from externalapi.template.batching import PLANS, NothingToSendError, TooBigError
from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.template.parser import BodyError

ID = Parameter(name="User ID", level=Level.IDENTIFIER)
NAME = Parameter(name="Name of the User")
TIME = Parameter(name="Event Time", type=ParameterType.DATETIME)
TRACK = {
    "attributes": [
        {"external_id": "{{User ID}}", "first_name": "{{Name of the User}}"}
    ],
    "events": [{"external_id": "{{User ID}}", "name": "x", "time": "{{Event Time}}"}],
}
VALUES = {"User ID": "u1", "Name of the User": "Ada", "Event Time": "2025-01-01"}


def version(body=None, parameters=(), batching="braze_75_combined", **fields):
    """An unsaved version: compiling needs no database."""
    fields = {"path": "/users/track", "method": "POST"} | fields
    fields = PLANS[batching].fields() | fields
    return ExternalAPIVersion(
        external_api=ExternalAPI(name="Track"),
        connection=Connection(base_url="https://rest.fra-01.braze.eu/"),
        body=""
        if body is None
        else body
        if isinstance(body, str)
        else json.dumps(body),
        parameters=[parameter.to_dict() for parameter in parameters],
        **fields,
    )


def compiled(body=None, parameters=(), **fields):
    return compile_version(version(body, parameters, **fields))


def test_a_track_users_definition_says_what_the_engine_needs():
    definition = compiled(TRACK, [ID, NAME, TIME], headers={"X-A": "b"})
    assert definition.parameters == (ID, NAME, TIME)
    assert definition.engagement_parameters == (NAME, TIME)
    assert definition.identifier_parameters == (ID,)
    assert definition.people_per_request == 37
    assert definition.arrays_used == ("attributes", "events")
    assert definition.has_side_effects


def test_people_become_one_request():
    definition = compiled(TRACK, [ID, NAME, TIME], headers={"X-A": "b"})
    one, other = (definition.render({**VALUES, "User ID": id}) for id in ("u1", "u2"))
    people = one._replace(bodies=[one.body, other.body])
    request, packed = definition.request(people)
    assert request.method == "POST"
    assert request.url == "https://rest.fra-01.braze.eu/users/track"
    assert request.headers == {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "X-A": "b",
    }
    assert request.body == packed.body
    assert orjson.loads(packed.body)["events"] == [
        {"external_id": "u1", "name": "x", "time": "2025-01-01T00:00:00Z"},
        {"external_id": "u2", "name": "x", "time": "2025-01-01T00:00:00Z"},
    ]
    assert packed.owner("events", 1) == 1


def test_values_become_their_parameters_types():
    age = Parameter(name="Age", type=ParameterType.INTEGER)
    definition = compiled({"attributes": [{"age": "{{Age}}"}]}, [age])
    assert definition.render({"Age": "36"}).body == {"attributes": [{"age": 36}]}
    with pytest.raises(InvalidParameterError) as error:
        definition.render({"Age": "old"})
    assert error.value.name == "Age"
    assert error.value.message == "“old” is not a whole number"


@pytest.mark.parametrize(
    "values", [{}, {"Name of the User": None}, {"Name of the User": ""}]
)
def test_a_required_value_that_is_missing_is_an_error_by_name(values):
    definition = compiled({"attributes": [{"n": "{{Name of the User}}"}]}, [NAME])
    with pytest.raises(MissingParameterError) as error:
        definition.render(values)
    assert error.value.name == "Name of the User"


@pytest.mark.parametrize(
    ("parameter", "values", "expected"),
    [
        (Parameter(name="P", required=False), {}, {}),
        (Parameter(name="P", required=False), {"P": ""}, {}),
        (Parameter(name="P", default="there"), {}, {"p": "there"}),
        (Parameter(name="P", default="there"), {"P": "Ada"}, {"p": "Ada"}),
        (
            Parameter(name="P", type=ParameterType.INTEGER, default="3"),
            {"P": ""},
            {"p": 3},
        ),
        (Parameter(name="P", type=ParameterType.BOOLEAN), {"P": False}, {"p": False}),
        (Parameter(name="P", type=ParameterType.INTEGER), {"P": 0}, {"p": 0}),
        (
            Parameter(name="P", level=Level.FIXED, value="web"),
            {"P": "hacked"},
            {"p": "web"},
        ),
        (Parameter(name="P", level=Level.FIXED, required=False), {}, {}),
    ],
    ids=repr,
)
def test_defaults_and_fixed_values_are_applied(parameter, values, expected):
    definition = compiled({"attributes": [{"p": "{{P}}", "q": 1}]}, [parameter])
    assert definition.render(values).body == {"attributes": [{**expected, "q": 1}]}


def test_a_default_of_another_type_is_an_error_before_anything_is_sent():
    bad = Parameter(name="P", type=ParameterType.INTEGER, default="x")
    with pytest.raises(InvalidParameterError):
        compiled({"a": "{{P}}"}, [bad])


def test_a_body_that_is_not_json_is_an_error():
    with pytest.raises(BodyError):
        compiled('{"a": }')


def test_a_value_is_one_piece_of_the_path():
    definition = compiled(
        None, [ID], path="/u/{{User ID}}?of={{User ID}}", method="GET", batching="one"
    )
    rendered = definition.render({"User ID": "a/b?c=d&e#f ü"})
    assert (
        rendered.path
        == "/u/a%2Fb%3Fc%3Dd%26e%23f%20%C3%BC?of=a%2Fb%3Fc%3Dd%26e%23f%20%C3%BC"
    )
    request, packed = definition.request(rendered)
    assert request.body is None
    assert "Content-Type" not in request.headers
    assert packed.item_count == 1


def test_a_query_is_part_of_the_address():
    definition = compiled(
        None,
        [ID, Parameter(name="Trace", required=False)],
        path="/u",
        query=[["of", "{{User ID}}"], ["trace", "{{Trace}}"]],
        method="GET",
    )
    assert definition.render({"User ID": "a&b"}).path == "/u?of=a%26b"
    assert definition.people_per_request == 1


def test_a_form_is_sent_for_one_person_at_a_time():
    definition = compiled(
        "to = {{User ID}}\nname = {{Name of the User}}",
        [ID, NAME],
        body_kind="form",
    )
    assert definition.people_per_request == 1
    rendered = definition.render({"User ID": "+49 1", "Name of the User": "Ada"})
    request, packed = definition.request(rendered)
    assert request.body == b"to=%2B49+1&name=Ada"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert packed.owners == {}


def test_a_text_is_sent_with_its_content_type():
    definition = compiled(
        "<user>{{User ID}}</user>",
        [ID],
        body_kind="text",
        headers={"Content-Type": "application/xml"},
    )
    request, _ = definition.request(definition.render({"User ID": "<ü>"}))
    assert request.body == "<user>&lt;ü&gt;</user>".encode()
    assert request.headers["Content-Type"] == "application/xml"


def test_a_request_brings_what_its_connection_and_rules_say():
    one = version({"items": [{"id": "{{User ID}}"}]}, [ID], "one")
    one.batch_arrays, one.batch_each = ["items"], 50
    one.answer_rules = {"errors_array": "", "permission": "catalogs.update_items"}
    one.connection.auth, one.connection.key_name = "header", "X-Key"
    one.connection.timeout_seconds = 7
    definition = compile_version(one)
    request, _ = definition.request(definition.render({"User ID": "u1"}))
    assert request.sign_in == SignIn(auth=Auth.HEADER, name="X-Key")
    assert request.timeout_seconds == 7
    assert request.rules.permission == "catalogs.update_items"
    assert request.items == {"items": 1}
    assert definition.people_per_request == 50


def test_what_loses_all_it_had_is_not_sent_empty():
    definition = compiled(
        {
            "attributes": [
                {
                    "external_id": "{{User ID}}",
                    "address": {"city": "{{City}}"},
                    "tags": ["{{City}}"],
                    "kept": {},
                }
            ],
            "events": [{"city": "{{City}}"}],
        },
        [ID, Parameter(name="City", required=False)],
    )
    assert definition.render({"User ID": "u1"}).body == {
        "attributes": [{"external_id": "u1", "kept": {}}]
    }


@pytest.mark.parametrize("value", [".", ".."])
def test_a_value_cannot_climb_the_path(value):
    definition = compiled(None, [ID], path="/u/{{User ID}}/x")
    with pytest.raises(InvalidParameterError):
        definition.render({"User ID": value})


def test_a_path_with_a_hole_is_the_address_of_something_else():
    own = [ID, Parameter(name="List", required=False), NAME]
    definition = compiled(None, own, path="/u/{{User ID}}/lists/{{List}}")
    whole = {"User ID": "u1", "List": "7", "Name of the User": "x"}
    assert definition.render(whole).path == "/u/u1/lists/7"
    with pytest.raises(MissingParameterError, match="“List” has no value"):
        definition.render({**whole, "List": ""})


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "ü", "a\x7f"])
def test_a_value_cannot_break_out_of_a_header(value):
    definition = compiled({}, [ID], headers={"X-User": "id {{User ID}}"})
    assert definition.render({"User ID": "u1"}).headers == {"X-User": "id u1"}
    with pytest.raises(InvalidParameterError):
        definition.render({"User ID": value})


@pytest.mark.parametrize(
    "fields", [{"path": "/u/{{User ID}}"}, {"headers": {"X-User": "{{User ID}}"}}]
)
def test_what_differs_between_people_outside_the_arrays_is_sent_one_by_one(fields):
    assert compiled(TRACK, [ID, NAME, TIME], **fields).people_per_request == 1


def test_people_go_together_where_what_is_sent_once_is_the_same_for_all():
    fixed = Parameter(name="Campaign ID", level=Level.FIXED, value="c-1")
    asked = Parameter(name="Text")
    one = version(
        {"campaign_id": "{{Campaign ID}}", "attributes": [{"id": "{{User ID}}"}]},
        [ID, fixed],
        path="/c/{{Campaign ID}}/items",
        headers={"X-C": "{{Campaign ID}}"},
    )
    assert compile_version(one).people_per_request == 75
    one.body = one.body.replace("Campaign ID", "Text")
    one.parameters.append(asked.to_dict())
    assert compile_version(one).people_per_request == 1
    assert compile_version(one, constant=["Text"]).people_per_request == 75


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"attributes": [{"a": 1}]}, False),
        ({"attributes": [{"a": {"b": "{{Name of the User}}"}}]}, False),
        ({"attributes": [{"a": {"inc": 1}}]}, True),
        ({"attributes": [{"a": {"add": ["x"]}}]}, True),
        ({"attributes": [{"a": {"$remove": ["x"]}}]}, True),
        ({"attributes": [{"a": "{{Change}}"}]}, True),
        ({"events": [{"name": "x"}]}, True),
        ({"attributes": [{"a": 1}], "purchases": [{}]}, True),
        ({"recipients": [{}]}, True),
        ([1], True),
        (None, True),
    ],
    ids=repr,
)
def test_only_plain_attributes_may_be_sent_twice(body, expected):
    change = Parameter(name="Change", type=ParameterType.OBJECT)
    assert compiled(body, [NAME, change]).has_side_effects is expected


CART = Parameter(name="Cart", type=ParameterType.LIST, required=False)


@pytest.mark.parametrize(
    ("plan", "path", "body", "cart"),
    [
        ("braze_75_combined", "/users/track", {"purchases": "{{Cart}}"}, []),
        ("braze_75_combined", "/users/track", {"purchases": "{{Cart}}"}, None),
        ("braze_75_combined", "/users/track", {"purchases": "{{Cart}}"}, [None]),
        ("one", "/users/track", {"purchases": "{{Cart}}"}, []),
        ("one", "/users/track", {"purchases": "{{Cart}}", "partner": "x"}, []),
        # Of another path nobody knows which list is the point of it.
        ("one", "/leads", {"leads": "{{Cart}}"}, []),
        ("one", "/leads", {"leads": "{{Cart}}"}, None),
        ("one", "/leads", "{{Cart}}", []),
        (
            "braze_75_combined",
            "/users/track",
            {"events": "{{Cart}}", "purchases": "{{Cart}}"},
            [],
        ),
        (
            "one",
            "/campaigns/trigger/send",
            {"campaign_id": "c", "recipients": "{{Cart}}"},
            [],
        ),
    ],
    ids=str,
)
def test_a_body_about_nothing_is_not_sent(plan, path, body, cart):
    definition = compiled(body, [CART], path=path, batching=plan)
    with pytest.raises(NothingToSendError):
        definition.request(definition.render({"Cart": cart}))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/users/track", {"attributes": [{"a": 1}], "purchases": "{{Cart}}"}),
        # The template's own empty list is somebody's wish.
        ("/campaigns/trigger/send", {"campaign_id": "c", "recipients": []}),
        ("/leads", {"tags": "{{Cart}}", "name": "x"}),
    ],
    ids=str,
)
def test_a_body_about_something_is_sent(path, body):
    definition = compiled(body, [CART], path=path, batching="one")
    request, _ = definition.request(definition.render({"Cart": []}))
    assert request.body


def test_an_answer_can_name_what_the_body_had():
    body = {"purchases": "{{Cart}}", "events": [{"name": "x"}], "tags": ["a"]}
    definition = compiled(body, [CART], batching="one")
    request, _ = definition.request(
        definition.render({"Cart": [{"a": 1}, None, {}, {"a": 2}]})
    )
    assert request.items == {"purchases": 2, "events": 1}


def test_too_many_objects_are_an_error_the_engine_can_split():
    definition = compiled({"attributes": [{"a": 1}]})
    with pytest.raises(TooBigError):
        definition.request(definition.fill_all({}, 76))


def test_parameters_are_found_in_order_and_known_ones_keep_their_settings():
    known = Parameter(name="Price", type=ParameterType.NUMBER, required=False)
    found = parameters_found(
        "/users/{{Region}}",
        {"X-Trace": "{{Trace}}"},
        '{"external_id": {{User ID}}, "p": {{Price}}, "again": "{{Region}} {{Price}}"}',
        [known, Parameter(name="Gone")],
        identifier="external_id",
    )
    assert found == [
        Parameter(name="Region"),
        Parameter(name="Trace"),
        Parameter(name="User ID", level=Level.IDENTIFIER),
        known,
    ]


def test_parameters_are_found_in_the_query_and_in_a_form():
    found = parameters_found(
        "/p",
        {},
        "email = {{Mail}}\nx = {{X}}",
        [],
        "email",
        query=[("q", "{{Q}}"), ("q", "{{Q2}}")],
        body_kind="form",
    )
    assert [p.name for p in found] == ["Q", "Q2", "Mail", "X"]
    assert found[2].level is Level.IDENTIFIER


def test_the_identifier_is_found_wherever_it_is_nested():
    body = '{"a": [{"user": {"email": "{{Mail}}"}}], "email": "x {{Other}}"}'
    found = {p.name: p.level for p in parameters_found("", {}, body, [], "email")}
    assert found == {"Mail": Level.IDENTIFIER, "Other": Level.ENGAGEMENT}


@pytest.mark.parametrize("name", ["key", "api key & more"])
def test_beside_the_longest_key_every_rendered_address_can_be_sent(name):
    """A longer one is that person's, not everybody's."""
    one = version(
        {"a": 1}, [Parameter(name="Q", level=Level.ENGAGEMENT)], path="/p?q={{Q}}"
    )
    one.connection.auth, one.connection.key_name = Auth.QUERY, name
    definition = compile_version(one)
    longest = 0
    for length in range(1_500, 2_048):
        try:
            request, _ = definition.request(definition.render({"Q": "x" * length}))
        except InvalidParameterError:
            break
        check_url(request.sign_in.url(request.url, "+" * (KEY_ROOM // 3)))
        longest = length
    assert longest > 1_600
