import base64
import json
import time
from urllib.parse import quote

import pytest

from externalapi.http.auth import Auth
from externalapi.importers.common.types import PasteError
from externalapi.importers.reader import read
from externalapi.template.parameters import Level, Parameter
from externalapi.template.parser import parse_body
from tests.externalapi.importers.documents import BRAZE

KEY = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def collection(request, **parts):
    item = {"name": "One", "request": request}
    return json.dumps({"info": {"name": "C"}, "item": [item], **parts})


def found_in(text, operation="0", picked=None):
    understood = read(text, operation, picked).understood
    assert understood is not None
    return understood.found


def said_of(text):
    """Why the document or its request cannot be taken."""
    try:
        return read(text, "0").problem
    except PasteError as e:
        return str(e)


def of(request, **parts):
    return found_in(collection(request, **parts))


# A collection and its requests


def test_a_collection_lists_its_requests_with_their_folders():
    pasted = read(BRAZE)
    assert (pasted.document.kind, pasted.document.title) == (
        "Postman collection",
        "Braze Endpoints",
    )
    assert [
        (one.key, one.method, one.path, one.title, one.group)
        for one in pasted.document.operations
    ] == [
        ("0.0", "POST", "/users/track", "Track Users", "User Data"),
        ("1.0", "GET", "/campaigns/data_series", "Campaign Analytics", "Export"),
        (
            "1.1",
            "DELETE",
            "/catalogs/:catalog_name/items/:item_id",
            "Delete Catalog Item",
            "Export",
        ),
    ]


def test_variables_become_parameters():
    found = found_in(BRAZE, "0.0")
    assert (found.base_url, found.path) == (
        "https://rest.iad-01.braze.com",
        "/users/track",
    )
    assert parse_body(found.body)["attributes"][0] == {
        "external_id": "{{External ID}}",
        "string_attribute": "fruit",
        "integer_attribute": 25,
    }
    assert found.parameters == (Parameter(name="External ID", level=Level.IDENTIFIER),)
    assert (found.auth, found.secret) == (Auth.BEARER, "")
    assert found.headers == {"Content-Type": "application/json"}


def test_other_values_are_offered_as_those_of_a_command():
    offered = {one.name: one.text for one in read(BRAZE, "0.0").understood.offered}
    assert offered == {"String Attribute": "fruit", "Integer Attribute": "25"}
    found = found_in(BRAZE, "0.0", ["Integer Attribute"])
    assert '"integer_attribute": {{Integer Attribute}}' in found.body
    assert [one.name for one in found.parameters] == [
        "External ID",
        "Integer Attribute",
    ]


def test_the_query_without_what_is_switched_off():
    found = found_in(BRAZE, "1.0")
    assert found.query == (
        ("campaign_id", "{{Campaign Identifier}}"),
        ("length", "7"),
    )


def test_pieces_of_the_path_become_parameters_with_what_is_said_of_them():
    found = found_in(BRAZE, "1.1")
    assert found.path == "/catalogs/{{Catalog Name}}/items/{{Item ID}}"
    assert found.parameters[0] == Parameter(
        name="Catalog Name", description="Name of the catalog.", example="restaurants"
    )
    assert found.headers == {"X-Team": "crm"}


def test_a_variable_without_a_value_for_the_host_asks_for_a_connection():
    found = of("https://{{instance_url}}/users/track")
    assert (found.method, found.base_url, found.path) == ("GET", "", "/users/track")
    assert "choose the connection" in found.notes[0]


@pytest.mark.parametrize(
    ("value", "base_url", "path"),
    [
        ("https://api.example.com/v2/", "https://api.example.com", "/v2/people"),
        ("api.example.com", "https://api.example.com", "/people"),
        ("localhost", "", "/people"),
        ("<your instance>", "", "/people"),
    ],
)
def test_the_host_s_variable_has_the_collection_s_value(value, base_url, path):
    variable = [{"key": "base", "value": value}]
    found = of({"url": "{{base}}/people"}, variable=variable)
    assert (found.base_url, found.path) == (base_url, path)


@pytest.mark.parametrize(
    ("url", "base_url", "path"),
    [
        ("https://{{tenant}}.example.com/v1", "https://acme.example.com", "/v1"),
        ("https://api.{{domain}}/v1", "https://api.acme.example.com", "/v1"),
        ("{{scheme}}://api.example.com/v1", "http://api.example.com", "/v1"),
        ("{{scheme}}://{{tenant}}.{{zone}}:{{port}}/v1", "http://acme.io:8443", "/v1"),
        ("https://api.example.com:{{port}}/v1", "https://api.example.com:8443", "/v1"),
        ("{{site}}/people", "https://acme.example.com", "/v2/people"),
        ("{{ site }}?a=1", "https://acme.example.com", "/v2/"),
        ("{{unknown}}://api.example.com/v1", "https://api.example.com", "/v1"),
        ("https://{{unknown}}.example.com/v1", "", "/v1"),
        ("https://api.example.com:{{unknown}}/v1", "", "/v1"),
        ("{{circle}}/v1", "", "/v1"),
        ("https://{{off}}.example.com/v1", "", "/v1"),
    ],
)
def test_variables_in_the_address_have_the_collection_s_values(url, base_url, path):
    variable = [
        {"key": "tenant", "value": "acme"},
        {"key": "zone", "value": "io"},
        {"key": "scheme", "value": "http"},
        {"key": "port", "value": 8443},
        {"key": "domain", "value": "{{tenant}}.example.com"},
        {"key": "site", "value": "https://{{domain}}/v2/"},
        {"key": "circle", "value": "{{circle}}{{circle}}"},
        {"key": "off", "value": "acme", "disabled": True},
        {"key": "unknown", "value": ""},
    ]
    found = of({"url": url}, variable=variable)
    assert (found.base_url, found.path) == (base_url, path)
    assert bool(found.notes) == ("unknown" in url or not base_url)


def test_a_folder_s_variables_are_nearer_than_the_collection_s():
    text = json.dumps(
        {
            "info": {},
            "variable": [{"key": "host", "value": "a.io"}, {"key": "n", "value": "1"}],
            "item": [
                {
                    "name": "Folder",
                    "variable": [{"key": "host", "value": "b.io"}],
                    "item": [{"name": "One", "request": "https://{{host}}/{{n}}"}],
                }
            ],
        }
    )
    found = found_in(text, "0.0")
    assert (found.base_url, found.path) == ("https://b.io", "/{{N}}")


@pytest.mark.parametrize(
    ("path", "listed", "expected"),
    [
        ("/log/:log-id.json", ["log-id"], "/log/{{Log ID}}.json"),
        ("/log/:log-id.json", [], "/log/{{Log ID}}.json"),
        ("/log/:log-id.json", ["log-id.json"], "/log/{{Log ID Json}}"),
        ("/a/:id:cancel", ["id"], "/a/{{ID}}:cancel"),
        ("/a/v:version/x", ["version"], "/a/v{{Version}}/x"),
        ("/a/:from..:to", ["from", "to"], "/a/{{From}}..{{To}}"),
        ("/users:batchGet", [], "/users:batchGet"),
        ("/users:batchGet", ["get"], "/users:batchGet"),
    ],
)
def test_a_piece_of_the_path_may_have_more_around_it(path, listed, expected):
    variable = [{"key": key, "value": ""} for key in listed]
    found = of({"url": {"raw": f"https://a.io{path}", "variable": variable}})
    assert found.path == expected


def test_the_list_shows_the_path_alone():
    text = collection({"url": "{{scheme}}://{{host}}:{{port}}/a/{{b}}?c={{d}}"})
    assert read(text).document.operations[0].path == "/a/{{b}}"


@pytest.mark.parametrize(
    ("parts", "base_url"),
    [
        ({"host": ["a", "io"], "port": "8443"}, "https://a.io:8443"),
        ({"host": "a.io", "port": 8443, "protocol": "http"}, "http://a.io:8443"),
        ({"host": ["{{host}}"], "port": "{{port}}"}, "https://b.io:81"),
        ({"host": ["{{host}}"], "protocol": "{{scheme}}"}, "http://b.io"),
        ({"host": "https://a.io"}, "https://a.io"),
    ],
)
def test_an_address_in_parts_has_its_port(parts, base_url):
    variable = [
        {"key": "host", "value": "b.io"},
        {"key": "port", "value": "81"},
        {"key": "scheme", "value": "http"},
    ]
    found = of({"url": {**parts, "path": ["x"]}}, variable=variable)
    assert (found.base_url, found.path) == (base_url, "/x")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("42", "integer"),
        (43, "integer"),
        ("-4.5", "number"),
        (1e3, "number"),
        ("true", "boolean"),
        (False, "boolean"),
        ("[1]", "list"),
        ('{"a": 1}', "object"),
        ("{{other}}", "integer"),
        ("ada", "text"),
        ("2024-01-01T00:00:00Z", "text"),
        ("", "text"),
        ("01", "text"),
    ],
)
def test_a_variable_without_quotes_has_the_type_of_its_value(value, kind):
    raw = '{"a": {{age}}, "b": "{{age}} years", "c": "\\"{{age}}"}'
    variable = [{"key": "age", "value": value}, {"key": "other", "value": "7"}]
    body = {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}
    found = of({"url": "https://a.io", "body": body}, variable=variable)
    assert found.parameters[0].type == kind
    if kind == "text":
        assert len(found.parameters) == 1


def test_a_variable_in_quotes_stays_a_text():
    raw = '{"a": "{{age}}", "b": {{age}}}'
    variable = [{"key": "age", "value": "42"}]
    body = {"mode": "raw", "raw": raw}
    found = of({"url": "https://a.io", "body": body}, variable=variable)
    assert parse_body(found.body) == {"a": "{{Age}}", "b": "{{Age 2}}"}
    assert [one.type for one in found.parameters] == ["text", "integer"]


def test_a_field_of_a_form_may_come_more_than_once():
    fields = [{"key": "tags[]", "value": value} for value in ("a", "{{tag}}", "b")]
    for mode in ("urlencoded", "formdata"):
        found = of({"url": "https://a.io", "body": {"mode": mode, mode: fields}})
        assert parse_body(found.body) == {"tags[]": ["a", "{{Tag}}", "b"]}


def test_an_address_in_parts():
    url = {
        "protocol": "https",
        "host": ["api", "example", "com"],
        "path": ["a", {"value": "b"}],
        "query": [{"key": "x", "value": "1&2"}, {"key": "y", "value": None}],
    }
    found = of({"method": "get", "url": url})
    assert (found.base_url, found.path) == ("https://api.example.com", "/a/b")
    assert found.query == (("x", "1&2"), ("y", ""))


def test_the_same_variable_is_one_parameter_and_others_keep_apart():
    raw = '{"a": "{{user_id}}", "b": "{{ user_id }}", "c": "{{userId}}", "d": "{{🙂}}"}'
    found = of({"url": "https://a.io", "body": {"mode": "raw", "raw": raw}})
    assert parse_body(found.body) == {
        "a": "{{User ID}}",
        "b": "{{User ID}}",
        "c": "{{User ID 2}}",
        "d": "{{Value}}",
    }
    assert len(found.parameters) == 3


def test_what_postman_makes_up_is_a_parameter_and_is_said():
    raw = '{"id": "{{$guid}}", "n": {{count}}}'
    found = of({"url": "https://a.io", "body": {"mode": "raw", "raw": raw}})
    assert parse_body(found.body) == {"id": "{{Guid}}", "n": "{{Count}}"}
    assert "Postman makes up “$guid” by itself; here it is a parameter." in found.notes


@pytest.mark.parametrize(
    ("body", "kind", "written"),
    [
        (
            {
                "mode": "urlencoded",
                "urlencoded": [
                    {"key": "a b", "value": "x&y {{z}}"},
                    {"key": "c", "value": "1", "disabled": True},
                ],
            },
            "form",
            {"a b": "x&y {{Z}}"},
        ),
        (
            {
                "mode": "formdata",
                "formdata": [
                    {"key": "name", "value": "Ada", "type": "text"},
                    {"key": "photo", "type": "file", "src": "/home/ada/photo.png"},
                ],
            },
            "form",
            {"name": "Ada"},
        ),
        (
            {
                "mode": "graphql",
                "graphql": {"query": "{ me { id } }", "variables": '{"a": 1}'},
            },
            "json",
            {"query": "{ me { id } }", "variables": {"a": 1}},
        ),
        (
            {
                "mode": "raw",
                "raw": "[1]",
                "options": {"raw": {"language": "json"}},
            },
            "json",
            [1],
        ),
    ],
)
def test_kinds_of_body(body, kind, written):
    found = of({"method": "POST", "url": "https://a.io", "body": body})
    assert found.body_kind == kind
    assert json.loads(found.body) == written


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"mode": "raw", "raw": " "},
        {"mode": "raw", "raw": "x", "disabled": True},
        {"mode": "urlencoded", "urlencoded": []},
    ],
)
def test_no_body(body):
    assert of({"url": "https://a.io", "body": body}).body_kind == "none"


# Signing in


def auths(kind, **values):
    """The same way to sign in as v2.1 writes it and as v2.0 does."""
    listed = [{"key": key, "value": value} for key, value in values.items()]
    return [{"type": kind, kind: listed}, {"type": kind, kind: values}]


@pytest.mark.parametrize(
    ("ways", "auth", "name", "username"),
    [
        (auths("bearer", token=KEY), Auth.BEARER, "", ""),
        (auths("basic", username="ada", password=KEY), Auth.BASIC, "", "ada"),
        (auths("apikey", key="X-Key", value=KEY), Auth.HEADER, "X-Key", ""),
        (auths("apikey", key="k", value=KEY, **{"in": "query"}), Auth.QUERY, "k", ""),
        (auths("oauth2", accessToken=KEY), Auth.BEARER, "", ""),
        (auths("awsv4", accessKey=KEY, secretKey=KEY), Auth.NONE, "", ""),
        ([{"type": "noauth"}], Auth.NONE, "", ""),
    ],
)
def test_ways_to_sign_in(ways, auth, name, username):
    for way in ways:
        text = collection({"url": "https://a.io/x", "auth": way})
        found = found_in(text)
        assert (found.auth, found.auth_name) == (auth, name)
        assert (found.username, found.secret) == (username, "")
        assert KEY not in read(text).text + repr(found)


def test_client_credentials_bring_what_a_connection_needs():
    (way, _) = auths(
        "oauth2",
        grant_type="client_credentials",
        accessTokenUrl="https://id.example.com/token",
        clientId="crm",
        clientSecret=KEY,
        scope="{{scope}}",
    )
    text = collection({"url": "https://a.io", "auth": way})
    found = found_in(text)
    assert (found.auth, found.token_url) == (
        Auth.OAUTH2,
        "https://id.example.com/token",
    )
    assert (found.client_id, found.scope) == ("crm", "")
    assert KEY not in read(text).text


def test_a_request_signs_in_as_its_folder_does_unless_it_says_otherwise():
    (bearer, _) = auths("bearer", token="{{token}}")
    request = {"url": "https://a.io"}
    item = [
        {"name": "In", "auth": bearer, "item": [{"name": "a", "request": request}]},
        {"name": "Out", "request": {**request, "auth": {"type": "noauth"}}},
        {"name": "All", "request": request},
    ]
    (basic, _) = auths("basic", username="ada")
    text = json.dumps({"item": item, "auth": basic})
    ways = [found_in(text, key).auth for key in ("0.0", "1", "2")]
    assert ways == [Auth.BEARER, Auth.NONE, Auth.BASIC]


# Keys


def test_no_key_of_a_collection_is_kept_anywhere():
    pasted = read(BRAZE)
    for secret in (KEY, "99999999-8888", "11111111-2222", "script-secret"):
        assert secret in BRAZE
        assert secret not in pasted.text
    assert "are taken out" in pasted.document.notes[0]


@pytest.mark.parametrize(
    "request_",
    [
        {"header": [{"key": "Authorization", "value": f"Bearer {KEY}"}]},
        {"header": [{"key": "authorization", "value": f"Token {KEY}"}]},
        {"header": [{"key": "X-Api-Key", "value": KEY, "disabled": True}]},
        {"header": [{"key": "Cookie", "value": f"session={KEY}"}]},
        {"header": f"X-Api-Key: {KEY}\nAccept: */*"},
        {"url": f"https://a.io/x?api_key={KEY}"},
        {"url": {"raw": f"https://ada:{KEY}@a.io/x"}},
        {"url": {"raw": "https://a.io", "query": [{"key": "token", "value": KEY}]}},
        {"body": {"mode": "raw", "raw": f'{{"api_key": "{KEY}", "a": 1}}'}},
        {
            "body": {
                "mode": "urlencoded",
                "urlencoded": [{"key": "token", "value": KEY}],
            }
        },
        {
            "description": f"Send {KEY}",
            "auth": {"type": "bearer", "bearer": {"token": KEY}},
        },
        {"auth": {"type": "bearer", "basic": {"password": KEY}}},
    ],
)
def test_a_key_is_taken_out_wherever_it_stands(request_):
    text = collection({"url": "https://a.io/x", **request_})
    assert KEY in text
    assert KEY not in read(text).text
    assert KEY not in repr(found_in(text))


@pytest.mark.parametrize(
    "variable",
    [
        {"key": "api_key", "value": KEY},
        {"key": "whatever", "value": KEY, "type": "secret"},
        {"key": "USER_PASSWORD", "value": KEY},
    ],
)
def test_a_secret_variable_is_taken_out(variable):
    text = collection(
        {"url": f"https://a.io/{{{{{variable['key']}}}}}"}, variable=[variable]
    )
    assert KEY not in read(text).text
    assert found_in(text).parameters[0].example == ""


def test_what_is_no_key_stays():
    text = collection(
        {"url": "https://a.io/x", "header": [{"key": "X-Team", "value": "crm"}]},
        variable=[{"key": "region", "value": "eu"}],
    )
    assert read(text).document.notes == ()
    assert '"crm"' in read(text).text and '"eu"' in read(text).text


def test_what_is_taken_along_reads_the_same_again():
    first, again = read(BRAZE), read(read(BRAZE).text)
    assert again.text == first.text
    for one in first.document.operations:
        assert found_in(first.text, one.key) == found_in(BRAZE, one.key)


# What cannot be read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"item": []}', "There is no request"),
        ('{"item": {}}', "“#/item” is not a list"),
        ('{"item": [1]}', "“#/item/0” is not an object (1)."),
        ('{"item": [{"item": 3}]}', "“#/item/0/item” is not a list"),
        ('{"item": [{"request": []}]}', "“#/item/0/request” is not an object"),
        ('{"item": [{"request": {"method": 1}}]}', "/request/method” is not a text"),
        ('{"requests": [], "order": []}', "version 1. Export it as Collection v2.1"),
        (collection({"method": "HEAD", "url": "a.io"}), "There is no request"),
    ],
)
def test_a_bad_collection_says_where(text, words):
    with pytest.raises(PasteError) as caught:
        read(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"url": 5}, "“#/item/0/request/url” is not an object (5)."),
        ({"url": "a.io", "header": [7]}, "“#/item/0/request/header/0” is not an"),
        ({"url": "a.io", "body": {"mode": "file"}}, "Its body is “file”"),
        ({"url": "a.io", "body": "x"}, "“#/item/0/request/body” is not an object"),
        ({"url": "ftp://a.io"}, "is not an address that begins with https://"),
    ],
)
def test_a_bad_request_says_where(request_, words):
    assert words in said_of(collection(request_))


def test_a_collection_from_postman_s_own_api():
    text = json.dumps({"collection": json.loads(BRAZE)})
    assert len(read(text).document.operations) == 3


def test_too_many_different_keys_are_refused():
    (first, _) = auths("bearer", token=KEY)
    items = [
        {
            "request": {
                "url": "https://a.io",
                "header": [{"key": "X-Api-Key", "value": f"{KEY}-{index}"}],
            }
        }
        for index in range(501)
    ]
    with pytest.raises(PasteError, match="more than 500 different keys"):
        read(json.dumps({"item": items, "auth": first}))


@pytest.mark.parametrize("text", ["?" * 300_000, "{{" + " " * 300_000, "://" * 100_000])
def test_no_text_takes_long(text):
    started = time.process_time()
    body = {"mode": "raw", "raw": text}
    found_in(collection({"url": "https://a.io", "body": body}))
    assert time.process_time() - started < 10


def test_a_key_is_taken_out_however_it_is_written_elsewhere():
    key = "sk/live+9f8e7d6c5b4a"
    written = [
        quote(key, safe="").lower(),
        key.replace("/", "&#x2F;"),
        base64.b64encode(f"api:{key}".encode()).decode(),
    ]
    text = collection(
        {
            "url": f"https://a.io/x?sig={written[0]}",
            "header": [{"key": "X-Api-Key", "value": key}],
            "description": f"Sign in with {written[1]} or {written[2]}.",
        }
    )
    shown = read(text).text
    assert "HIDDEN" in shown
    for one in (key, *written):
        assert one not in shown
    assert json.loads(shown)["item"][0]["name"] == "One"
