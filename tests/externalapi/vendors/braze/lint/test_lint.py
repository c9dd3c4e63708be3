"""The linter, rule by rule, and beside the sandbox's judge: errors are its refusals."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.template.parser import parse_body
from externalapi.template.spans import path_text
from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.lint.lint import Severity, lint, lint_request
from externalapi.vendors.braze.presets.all import PRESETS
from externalapi.vendors.braze.sandbox.rules.track import judge

ERROR, WARNING, HINT = Severity
ID = {"external_id": "{{External ID}}"}
NOW = "{{Event Time}}"
TIME = Parameter(name="Event Time", type=ParameterType.DATETIME)
GROUP = "2b1c4d6e-0000-4000-8000-aaaaaaaaaaaa"


def attributes(**keys):
    return {"attributes": [{**ID, **keys}]}


def event(**keys):
    return {"events": [{**ID, "name": "e", "time": NOW, **keys}]}


def purchase(**keys):
    whole = {"product_id": "p", "currency": "EUR", "price": 1.5, "time": NOW, **keys}
    return {"purchases": [{**ID, **whole}]}


def without(body, key):
    [(array, [item])] = body.items()
    return {array: [{name: value for name, value in item.items() if name != key}]}


def parameter(name, type, **fields):
    return Parameter(name=name, type=type, **fields)


# (body, parameters, severity, path, words); a body is fine where severity is None.
RULES = [
    # Names
    (attributes(frist_name="A"), (), WARNING, "attributes[0].frist_name", "“first_name”"),
    (attributes(firstName="A"), (), WARNING, "attributes[0].firstName", "“first_name”"),
    (attributes(lastname="A"), (), WARNING, "attributes[0].lastname", "“last_name”"),
    (attributes(langauge="en"), (), WARNING, "attributes[0].langauge", "“language”"),
    (attributes(birthday="x"), (), WARNING, "attributes[0].birthday", "“dob”"),
    (attributes(contry="DE"), (), WARNING, "attributes[0].contry", "“country”"),
    (attributes(favourite_fruit="apple", plan="pro", city="Rome"), (), None, "", ""),
    (attributes(phone2="1", twitter_fan=True), (), None, "", ""),
    (attributes(**{"n" * 256: 1}), (), WARNING, f"attributes[0].{'n' * 256}", "255"),
    # Standard attributes
    (attributes(first_name=5), (), WARNING, "attributes[0].first_name", "a text"),
    (
        attributes(first_name="{{X}}"),
        [parameter("X", ParameterType.INTEGER)],
        WARNING,
        "attributes[0].first_name",
        "Whole number",
    ),
    (attributes(email="ada"), (), ERROR, "attributes[0].email", "no e-mail address"),
    (attributes(email="ada@example.com"), (), None, "", ""),
    (
        attributes(email="{{X}}"),
        [parameter("X", ParameterType.TEXT, level=Level.FIXED, value="ada")],
        ERROR,
        "attributes[0].email",
        "“ada”",
    ),
    (attributes(phone="0171 1234"), (), WARNING, "attributes[0].phone", "E.164"),
    (attributes(country="Germany"), (), HINT, "attributes[0].country", "DE"),
    (attributes(country="USA"), (), HINT, "attributes[0].country", "may understand “USA” as US"),
    (attributes(country="Argentina"), (), HINT, "attributes[0].country", "may understand “Argentina” as AR"),
    (attributes(country="Narnia"), (), WARNING, "attributes[0].country", "may empty"),
    (attributes(language="en-US"), (), WARNING, "attributes[0].language", "such as en"),
    (attributes(gender="female"), (), WARNING, "attributes[0].gender", "such as F"),
    (attributes(time_zone="Europe/Bonn"), (), WARNING, "attributes[0].time_zone", "IANA"),
    (attributes(dob="31.12.2001"), (), WARNING, "attributes[0].dob", "2001-12-31"),
    (
        attributes(dob="{{Event Time}}"),
        [TIME],
        WARNING,
        "attributes[0].dob",
        "Make the parameter “Event Time” a Text",
    ),
    (
        attributes(email_subscribe="yes"),
        (),
        ERROR,
        "attributes[0].email_subscribe",
        "opted_in",
    ),
    (
        attributes(current_location={"lat": 1}),
        (),
        ERROR,
        "attributes[0].current_location",
        "longitude",
    ),
    (
        attributes(current_location={"longitude": "1", "latitude": 200}),
        (),
        ERROR,
        "attributes[0].current_location.longitude",
        "number",
    ),
    (
        attributes(current_location={"longitude": "{{X}}", "latitude": 2}),
        (),
        WARNING,
        "attributes[0].current_location.longitude",
        "“X” is of the type Text",
    ),
    (
        attributes(subscription_groups=[{"subscription_group_id": GROUP}]),
        (),
        ERROR,
        "attributes[0].subscription_groups[0]",
        "subscription_state",
    ),
    (
        attributes(
            subscription_groups=[
                {"subscription_group_id": "g1", "subscription_state": "subscribed"}
            ]
        ),
        (),
        ERROR,
        "attributes[0].subscription_groups[0].subscription_group_id",
        "UUID",
    ),
    (attributes(bio="x"), (), WARNING, "attributes[0].bio", "does not process"),
    # null and operators
    (attributes(first_name=None), (), WARNING, "attributes[0].first_name", "deletes"),
    (attributes(tier=None), (), WARNING, "attributes[0].tier", "deletes"),
    (attributes(n={"inc": "{{X}}"}), (), WARNING, "attributes[0].n.inc", "whole number"),
    (attributes(n={"inc": 1.5}), (), WARNING, "attributes[0].n.inc", "whole number"),
    (attributes(n={"inc": -1}), (), None, "", ""),
    (attributes(n={"add": "a"}), (), WARNING, "attributes[0].n.add", "a list"),
    (attributes(n={"add": ["a"], "remove": ["b"]}), (), None, "", ""),
    (attributes(n=["a"] * 501), (), WARNING, "attributes[0].n", "500"),
    (attributes(n="x" * 256), (), WARNING, "attributes[0].n", "255"),
    # Nested attributes
    (attributes(n={"a": 1}), (), HINT, "attributes[0].n", "_merge_objects"),
    (attributes(n={"a": 1}, _merge_objects=True), (), None, "", ""),
    (attributes(n={"a": None}), (), WARNING, "attributes[0].n.a", "drops all nested"),
    (attributes(n=[{"a b": 1}]), (), WARNING, "attributes[0].n[0].a b", "cannot be a key"),
    (attributes(n={"$update": []}), (), WARNING, "attributes[0].n", "overwrites"),
    (attributes(n={"at": NOW}), [TIME], HINT, "attributes[0].n.at", "$time"),
    (attributes(_update_existing_only="no"), (), WARNING,
     "attributes[0]._update_existing_only", "true or false"),
    # Identifiers
    ({"attributes": [{"a": 1}]}, (), ERROR, "attributes[0]", "whose this is"),
    (attributes(braze_id="b"), (), ERROR, "attributes[0].braze_id", "takes one of them"),
    ({"attributes": [{"email": "{{E}}", "phone": "{{P}}"}]}, (), HINT,
     "attributes[0].phone", "by email"),
    (
        {"attributes": [{"external_id": "{{X}}"}]},
        [parameter("X", ParameterType.TEXT, required=False)],
        WARNING,
        "attributes[0].external_id",
        "Make the parameter required",
    ),
    ({"attributes": [{"external_id": "user1"}]}, (), WARNING,
     "attributes[0].external_id", "one profile"),
    ({"attributes": [{"external_id": "x" * 988}]}, (), ERROR,
     "attributes[0].external_id", "987"),
    ({"attributes": [{"external_id": ["x"]}]}, (), ERROR,
     "attributes[0].external_id", "is a text"),
    ({"attributes": [{"user_alias": {"alias_name": "{{N}}"}}]}, (), ERROR,
     "attributes[0].user_alias", "alias_label"),
    ({"attributes": [{"user_alias": {"alias_name": "{{N}}", "alias_label": "crm"}}]}, (),
     HINT, "attributes[0].user_alias", "_update_existing_only"),
    # Events
    (event(), [TIME], None, "", ""),
    (without(event(), "name"), [TIME], ERROR, "events[0]", "no “name”"),
    (without(event(), "time"), [TIME], ERROR, "events[0]", "no “time”"),
    (event(name=""), [TIME], ERROR, "events[0].name", "no “name”"),
    (event(name=5), [TIME], ERROR, "events[0].name", "is a text"),
    (event(time="yesterday"), (), ERROR, "events[0].time", "ISO 8601"),
    (event(time="2025-01-31T09:30:00Z"), (), WARNING, "events[0].time", "same time"),
    (event(time="{{X}}"), (), HINT, "events[0].time", "Date and time"),
    (event(time="{{X}}"), [parameter("X", ParameterType.INTEGER)], ERROR,
     "events[0].time", "ISO 8601"),
    (
        event(),
        [parameter("Event Time", ParameterType.DATETIME, required=False)],
        WARNING,
        "events[0].time",
        "required or give it a default",
    ),
    (event(propertys={}), [TIME], WARNING, "events[0].propertys", "“properties”?"),
    (event(colour="red"), [TIME], WARNING, "events[0].colour", "into “properties”"),
    (event(properties=[1]), [TIME], ERROR, "events[0].properties", "an object"),
    (event(properties={"$a": 1}), [TIME], ERROR, "events[0].properties.$a", "$"),
    (event(properties={"time": 1}), [TIME], ERROR, "events[0].properties.time", "keeps"),
    (event(properties={"a": "x" * 256}), [TIME], WARNING, "events[0].properties.a", "255"),
    (event(app_id="your_app_identifier"), [TIME], WARNING, "events[0].app_id", "missing"),
    # Purchases
    (purchase(), [TIME], None, "", ""),
    (without(purchase(), "product_id"), [TIME], ERROR, "purchases[0]", "product_id"),
    (purchase(currency="euro"), [TIME], ERROR, "purchases[0].currency", "ISO 4217"),
    (purchase(price="1.5"), [TIME], ERROR, "purchases[0].price", "a number"),
    (purchase(price="{{X}}"), [TIME], WARNING, "purchases[0].price", "Make the parameter"),
    (purchase(quantity=101), [TIME], ERROR, "purchases[0].quantity", "1 to 100"),
    (purchase(quantity="{{X}}"), [TIME], WARNING, "purchases[0].quantity", "whole number"),
    (purchase(product_id="x" * 256), [TIME], ERROR, "purchases[0].product_id", "255"),
    # The whole body
    ({}, (), ERROR, "", "nothing in attributes"),
    ({"attributes": []}, (), ERROR, "", "nothing in attributes"),
    ([], (), ERROR, "", "not an object"),
    ({"attributes": {}}, (), ERROR, "", "nothing in attributes"),
    ({"attributes": ID}, (), ERROR, "attributes", "a list"),
    ({"attributes": ["x"]}, (), ERROR, "attributes[0]", "a list of objects"),
    ({**attributes(), "attribute": []}, (), WARNING, "attribute", "“attributes”?"),
    ({**attributes(), "api_key": "x"}, (), WARNING, "api_key", "the connection signs in"),
    ({"attributes": [ID] * 76}, (), ERROR, "", "There are 76; Braze takes 75 objects"),
    ("{{Everything}}", (), None, "", ""),
    ({"attributes": "{{People}}"}, (), None, "", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "parameters", "severity", "path", "words"),
    RULES,
    ids=[f"{at} {row[3][-40:]}" for at, row in enumerate(RULES)],
)
def test_a_rule(body, parameters, severity, path, words):
    found = lint(body, parameters)
    if severity is None:
        assert found == []
        return
    first = next(one for one in found if path_text(one.path) == path)
    assert first.severity is severity
    assert words in f"{first.message} {first.advice}"
    assert first.page.startswith("https://www.braze.com/docs/")


def test_errors_come_first():
    found = lint({"attributes": [{"frist_name": "A", "bio": 1}]})
    assert [one.severity for one in found] == [ERROR, WARNING, WARNING]


def test_a_body_for_another_path_is_not_braze_s_track():
    assert lint({"x": 1}, path="/messages/schedule/create") == []
    assert lint_request("GET", "/campaigns/list", {"Content-Type": "text/xml"}) == []


def test_sync_takes_one_object():
    assert [
        f.message for f in lint({"attributes": [ID, ID]}, path="/users/track/sync")
    ] == ["There are 2; Braze takes 1 object together in one request."]


def test_the_limit_is_the_plan_s():
    each = contract.OBJECT_LIMITS["per_array_75"]
    body = {"attributes": [ID] * 75, "events": [{**ID, "name": "e", "time": NOW}] * 75}
    assert not lint(body, [TIME], limit=each)
    body["attributes"].append(ID)
    assert path_text(lint(body, [TIME], limit=each)[0].path) == "attributes"


@pytest.mark.parametrize(
    ("method", "path", "headers", "field", "words"),
    [
        ("GET", "/users/track", {}, "method", "Choose POST"),
        ("POST", "/users/track/", {}, "path", "slash at the end"),
        ("POST", "/users/track", {"content-type": "text/xml"}, "headers", "JSON alone"),
    ],
)
def test_the_rest_of_the_request(method, path, headers, field, words):
    [found] = lint_request(method, path, headers)
    assert found.field == field
    assert words in f"{found.message} {found.advice}"


def test_a_request_as_braze_wants_it():
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert lint_request("POST", "/users/track", headers) == []


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_presets_are_clean(preset):
    if preset.body:
        assert lint(parse_body(preset.body), preset.parameters, path=preset.path) == []


# Beside the judge

NAMES = st.sampled_from(["external_id", "braze_id", "user_alias", "email", "phone"])
VALUES = st.sampled_from(
    [
        "",
        "x",
        "ada@example.com",
        "2025-01-31T09:30:00Z",
        "2025-01-31",
        "subscribed",
        "EUR",
        GROUP,
        None,
        True,
        0,
        7,
        101,
        1.5,
        [],
        ["a"],
        [{"app_id": "a", "token": "t"}],
        [{"subscription_group_id": GROUP, "subscription_state": "subscribed"}],
        [{"subscription_group_id": "g", "subscription_state": "maybe"}],
        {},
        {"longitude": 1, "latitude": 2},
        {"longitude": 181, "latitude": 2},
        {"alias_name": "n", "alias_label": "l"},
        {"alias_name": "n"},
        {"$a": 1},
        {"time": 1},
        {"ok": [1]},
    ]
)


IDENTIFIERS = st.sampled_from(
    [
        "",
        "x",
        "x" * 988,
        "ada@example.com",
        None,
        7,
        ["x"],
        {"alias_name": "n", "alias_label": "l"},
        {"alias_name": "n", "alias_label": ""},
    ]
)


def objects(*keys):
    identifier = st.dictionaries(NAMES, IDENTIFIERS, max_size=3)
    rest = st.dictionaries(st.sampled_from(keys), VALUES, max_size=6)
    return st.builds(lambda one, two: {**one, **two}, identifier, rest)


ATTRIBUTES = objects(
    "first_name",
    "custom",
    "email_subscribe",
    "push_subscribe",
    "current_location",
    "subscription_groups",
    "push_tokens",
    "email_subscription_info",
)
EVENTS = objects("name", "time", "properties", "app_id")
PURCHASES = objects("product_id", "currency", "price", "quantity", "time", "properties")


@settings(deadline=None, max_examples=600)
@given(
    st.one_of(
        st.builds(lambda one: {"attributes": [one]}, ATTRIBUTES),
        st.builds(lambda one: {"events": [one]}, EVENTS),
        st.builds(lambda one: {"purchases": [one]}, PURCHASES),
    )
)
def test_an_error_is_what_the_sandbox_refuses(body):
    refused = bool(judge(body, contract.OBJECT_LIMITS["combined_75"]).errors)
    errors = [one for one in lint(body) if one.severity is ERROR]
    assert bool(errors) == refused, errors


@pytest.mark.parametrize(
    "code", [code for code, one in PRESETS.items() if one.body_kind == "json"]
)
def test_a_value_of_any_type_is_no_mistake_anywhere(code):
    """Of what an engagement writes nobody knows the type before it is rendered."""
    preset = PRESETS[code]
    parameters = [
        Parameter(name=one.name, type=ParameterType.ANY) for one in preset.parameters
    ]
    found = lint(
        parse_body(preset.body), parameters, path=preset.path, method=preset.method
    )
    assert [one for one in found if one.severity is ERROR] == []
