import json

import pytest

from externalapi.http.auth import Auth
from externalapi.importers.common.types import PasteError
from externalapi.importers.reader import read
from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.template.parser import parse_body
from tests.externalapi.importers.documents import PETSTORE, STRIPE


def understood(text, operation, picked=None, known=()):
    found = read(text, operation, picked, known).understood
    assert found is not None
    return found


def found_in(text, operation, picked=None, known=()):
    return understood(text, operation, picked, known).found


def with_body(schema, **parts):
    """A document of one request whose body has this schema."""
    media = {"schema": schema, **parts.pop("media", {})}
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Leads"},
            "servers": [{"url": "https://api.example.com"}],
            "paths": {
                "/leads": {
                    "post": {"requestBody": {"content": {"application/json": media}}}
                }
            },
            **parts,
        }
    )


def with_operation(method="get", path="/x", **operation):
    root = operation.pop("root", {})
    paths = {path: {method: operation}}
    return json.dumps({"openapi": "3.0.3", "paths": paths, **root})


def body(schema, picked=None, **parts):
    return parse_body(found_in(with_body(schema, **parts), "POST /leads", picked).body)


def parameters(schema, **parts):
    found = found_in(with_body(schema, **parts), "POST /leads")
    return {one.name: one for one in found.parameters}


# A document and its operations


def test_a_document_lists_its_operations():
    pasted = read(PETSTORE)
    assert pasted.understood is None
    assert pasted.document.kind == "OpenAPI 3.0.4 document"
    assert pasted.document.title == "Swagger Petstore"
    assert [(one.key, one.group) for one in pasted.document.operations] == [
        ("POST /pet", "pet"),
        ("GET /pet/findByStatus", "pet"),
        ("GET /pet/{petId}", "pet"),
        ("DELETE /pet/{petId}", "pet"),
        ("POST /pet/{petId}/uploadImage", "pet"),
        ("POST /store/order", "store"),
    ]


def test_an_operation_that_is_not_there_is_not_chosen():
    assert read(PETSTORE, "GET /nothing").understood is None


def test_a_body_comes_from_its_schema():
    found = found_in(PETSTORE, "POST /pet")
    assert (found.name, found.description) == ("Add a new pet to the store.", "")
    assert (found.method, found.base_url, found.path) == (
        "POST",
        "https://petstore3.example.com",
        "/api/v3/pet",
    )
    assert found.headers == {"Content-Type": "application/json"}
    assert parse_body(found.body) == {
        "name": "{{Name}}",
        "category": {"id": "{{Category ID}}", "name": "{{Category Name}}"},
        "photoUrls": "{{Photo Urls}}",
    }
    assert found.parameters[0] == Parameter(name="Name", example="doggie")
    assert found.parameters[-1] == Parameter(name="Photo Urls", type=ParameterType.LIST)
    assert '"id": {{Category ID}}' in found.body


def test_what_is_picked_is_sent_and_what_is_not_is_left_out():
    found = understood(PETSTORE, "POST /pet", ["Status", "Tag Name"])
    assert parse_body(found.found.body) == {
        "name": "{{Name}}",
        "photoUrls": "{{Photo Urls}}",
        "tags": [{"name": "{{Tag Name}}"}],
        "status": "{{Status}}",
    }
    assert found.picked == {"Name", "Photo Urls", "Tag Name", "Status"}
    required = {one.name for one in found.offered if one.is_required}
    assert required == {"Name", "Photo Urls"}


def test_an_enumeration_a_default_and_a_description_are_the_parameter_s():
    found = found_in(PETSTORE, "GET /pet/findByStatus")
    assert found.query == (("status", "{{Status}}"),)
    assert found.parameters == (
        Parameter(
            name="Status",
            description="Status values that need to be considered for filter",
            default="available",
            allowed=("available", "pending", "sold"),
        ),
    )


def test_the_operation_s_own_parameters_win_over_the_path_s():
    found = found_in(PETSTORE, "DELETE /pet/{petId}")
    assert found.path == "/api/v3/pet/{{Pet ID}}"
    assert found.parameters == (
        Parameter(
            name="Pet ID", type=ParameterType.INTEGER, description="Pet id to delete"
        ),
    )


def test_a_form_is_written_with_its_brackets():
    found = found_in(STRIPE, "POST /v1/customers/{customer}")
    assert found.body_kind == "form"
    assert json.loads(found.body) == {
        "address[city]": "{{City}}",
        "address[line1]": "{{Line 1}}",
        "balance": "{{Balance}}",
        "email": "{{Email}}",
        "expand[]": "{{Expand}}",
        "tax_exempt": "{{Tax Exempt}}",
    }
    assert found.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert found.description.startswith("Updates the specified customer")
    by_name = {one.name: one for one in found.parameters}
    assert by_name["Tax Exempt"].allowed == ("exempt", "none", "reverse")
    notes = " ".join(found.notes)
    assert "“token” is left out of the body: the connection signs in." in notes
    assert "“metadata” has fields of any name" in notes


# Signing in


@pytest.mark.parametrize(
    ("scheme", "auth", "name"),
    [
        ({"type": "http", "scheme": "Bearer"}, Auth.BEARER, ""),
        ({"type": "http", "scheme": "basic"}, Auth.BASIC, ""),
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, Auth.HEADER, "X-Key"),
        ({"type": "apiKey", "in": "query", "name": "key"}, Auth.QUERY, "key"),
        ({"type": "openIdConnect", "openIdConnectUrl": "x"}, Auth.BEARER, ""),
        ({"type": "oauth2", "flows": {"implicit": {}}}, Auth.BEARER, ""),
        ({"type": "apiKey", "in": "cookie", "name": "sid"}, Auth.NONE, ""),
        ({"type": "mutualTLS"}, Auth.NONE, ""),
    ],
)
def test_ways_to_sign_in(scheme, auth, name):
    root = {
        "security": [{"it": []}],
        "components": {"securitySchemes": {"it": scheme}},
    }
    found = found_in(with_operation(root=root), "GET /x")
    assert (found.auth, found.auth_name, found.secret) == (auth, name, "")
    assert bool(found.notes and "signs in" in " ".join(found.notes)) is (
        auth is Auth.NONE
    )


def test_client_credentials_bring_their_token_url_and_scopes():
    flow = {"tokenUrl": "https://id.example.com/token", "scopes": {"a": "", "b": ""}}
    scheme = {"type": "oauth2", "flows": {"clientCredentials": flow}}
    root = {"components": {"securitySchemes": {"it": scheme}}}
    text = with_operation(security=[{"it": ["a", "b"]}], root=root)
    found = found_in(text, "GET /x")
    assert (found.auth, found.token_url, found.scope) == (
        Auth.OAUTH2,
        "https://id.example.com/token",
        "a b",
    )


def test_a_way_that_is_known_is_taken_before_one_that_is_not():
    schemes = {
        "tls": {"type": "mutualTLS"},
        "key": {"type": "http", "scheme": "bearer"},
    }
    root = {"components": {"securitySchemes": schemes}}
    text = with_operation(security=[{"tls": []}, {"key": []}], root=root)
    assert found_in(text, "GET /x").auth is Auth.BEARER


def test_a_key_that_is_described_as_a_parameter_is_the_connection_s():
    parts = [{"in": "header", "name": "X-Api-Key", "schema": {"type": "string"}}]
    found = found_in(with_operation(parameters=parts), "GET /x")
    assert (found.auth, found.auth_name) == (Auth.HEADER, "X-Api-Key")
    assert (found.headers, found.parameters) == ({}, ())


# Servers


def servers(*urls):
    return with_operation(root={"servers": [{"url": url} for url in urls]})


def test_of_several_servers_a_connection_s_is_taken():
    text = servers("https://sandbox.example.com/v1", "https://api.example.com/v1")
    assert found_in(text, "GET /x").base_url == "https://sandbox.example.com"
    known = ["https://api.example.com", "https://other.example.com"]
    found = found_in(text, "GET /x", known=known)
    assert found.base_url == "https://api.example.com"
    assert found.notes == ("There are 2 servers; https://api.example.com/v1 is taken.",)


@pytest.mark.parametrize("url", ["/v1", "//", "", "{base}/v1"])
def test_a_server_without_a_host_asks_for_a_connection(url):
    found = found_in(servers(url), "GET /x")
    assert found.base_url == ""
    assert any("choose the connection" in note for note in found.notes)


def test_a_server_s_variables_have_their_defaults():
    server = {
        "url": "https://{region}.example.com/{version}",
        "variables": {"region": {"default": "eu"}, "version": {"default": "v2"}},
    }
    found = found_in(with_operation(root={"servers": [server]}), "GET /x")
    assert (found.base_url, found.path) == ("https://eu.example.com", "/v2/x")


# Parameters


def test_parameters_in_every_place():
    parts = [
        {"in": "query", "name": "ids", "schema": {"type": "array"}},
        {"in": "query", "name": "tags", "explode": False, "schema": {"type": "array"}},
        {"in": "query", "name": "limit", "schema": {"type": "integer", "default": 10}},
        {
            "in": "query",
            "name": "filter",
            "style": "deepObject",
            "schema": {"properties": {"name": {"type": "string"}}},
        },
        {"in": "query", "name": "box", "schema": {"properties": {"left": {}}}},
        {"in": "header", "name": "X-Team", "required": True, "schema": {}},
        {"in": "header", "name": "Accept", "schema": {"type": "string"}},
        {"in": "header", "name": "Host", "required": True, "schema": {}},
        {"in": "cookie", "name": "sid", "schema": {"type": "string"}},
        {"in": "query", "name": "token", "schema": {"type": "string"}},
    ]
    text = with_operation(path="/people/{user_id}/x", parameters=parts)
    everything = ["Ids", "Tags", "Limit", "Name", "Filter Name", "Left"]
    found = found_in(text, "GET /people/{user_id}/x", everything)
    assert found.path == "/people/{{User ID}}/x"
    assert found.query == (
        ("ids", "{{Ids}}"),
        ("tags", "{{Tags}}"),
        ("limit", "{{Limit}}"),
        ("filter[name]", "{{Filter Name}}"),
        ("left", "{{Left}}"),
    )
    assert found.headers == {"X-Team": "{{X Team}}"}
    by_name = {one.name: one for one in found.parameters}
    assert by_name["Limit"].default == "10"
    assert by_name["Ids"].type is ParameterType.LIST
    assert by_name["Tags"].type is ParameterType.TEXT
    assert by_name["User ID"].level is Level.IDENTIFIER
    assert "The cookie “sid” is left out." in found.notes


def test_optional_query_parameters_are_not_sent_unless_they_are_picked():
    parts = [{"in": "query", "name": "limit", "schema": {"example": 5}}]
    found = found_in(with_operation(parameters=parts), "GET /x")
    assert (found.query, found.parameters) == ((), ())


def test_two_names_in_a_path_that_differ_by_case_alone():
    found = found_in(with_operation(path="/a/{id}/{ID}"), "GET /a/{id}/{ID}")
    assert found.path == "/a/{{ID}}/{{ID 2}}"


# Schemas


def test_types():
    found = parameters(
        {
            "required": ["a", "b", "c", "d", "e", "f", "g", "h", "i"],
            "properties": {
                "a": {"type": "integer"},
                "b": {"type": ["null", "number"]},
                "c": {"type": "boolean"},
                "d": {"type": "string", "format": "date-time"},
                "e": {"type": "string", "format": "date"},
                "f": {"type": "array", "items": {"type": "string"}},
                "g": {"type": "object", "additionalProperties": True},
                "h": {"enum": [1, 2]},
                "i": True,
            },
        }
    )
    types = [one.type.value for one in found.values()]
    assert (
        types == "integer number boolean datetime text list object integer text".split()
    )
    assert found["H"].allowed == ("1", "2")


def test_a_value_that_may_be_no_other_is_written_as_it_is():
    schema = {
        "required": ["type", "id"],
        "properties": {"type": {"const": "lead"}, "id": {}, "v": {"enum": [2]}},
    }
    assert body(schema) == {"type": "lead", "id": "{{ID}}", "v": 2}


def test_all_of_is_put_together_at_any_depth():
    base = {"required": ["id"], "properties": {"id": {"type": "integer"}}}
    middle = {
        "allOf": [{"$ref": "#/components/schemas/Base"}],
        "properties": {"name": {"type": "string"}},
    }
    lead = {
        "allOf": [
            {"$ref": "#/components/schemas/Middle"},
            {"required": ["score"], "properties": {"score": {"type": "number"}}},
        ]
    }
    components = {"schemas": {"Base": base, "Middle": middle, "Lead": lead}}
    found = body({"$ref": "#/components/schemas/Lead"}, ["Name"], components=components)
    assert found == {"id": "{{ID}}", "name": "{{Name}}", "score": "{{Score}}"}


PARTS = {
    "components": {
        "schemas": {
            "ID": {"type": "integer", "description": "An ID", "example": 7},
            "Money": {"type": "object", "properties": {"amount": {"type": "number"}}},
            "Made": {"type": "string", "readOnly": True},
        }
    }
}
REF = "#/components/schemas"


def test_what_stands_beside_a_reference_counts_as_well():
    schema = {
        "properties": {
            "id": {"$ref": f"{REF}/ID", "readOnly": True},
            "by": {"$ref": f"{REF}/ID", "description": "Who did it", "minimum": 1},
            "kind": {"$ref": f"{REF}/ID", "const": 3},
            "of": {
                "$ref": f"{REF}/Money",
                "properties": {"currency": {"type": "string"}},
                "required": ["amount"],
            },
            "made": {"$ref": f"{REF}/Made", "description": "When"},
            "made_in": {"allOf": [{"$ref": f"{REF}/Made"}]},
            "all": {"allOf": [{"$ref": f"{REF}/ID"}], "readOnly": True},
        },
        "required": ["by", "of"],
    }
    picked = ["ID", "By", "Amount", "Currency", "Made", "All"]
    assert body(schema, picked, **PARTS) == {
        "by": "{{By}}",
        "kind": 3,
        "of": {"amount": "{{Amount}}", "currency": "{{Currency}}"},
    }
    by = parameters(schema, **PARTS)["By"]
    assert (by.type, by.description) == (ParameterType.INTEGER, "Who did it")


def test_what_stands_beside_a_reference_was_ignored_before_3_1():
    schema = {"properties": {"id": {"$ref": f"{REF}/ID", "readOnly": True}}}
    text = with_body(schema, **PARTS).replace(
        '"openapi": "3.1.0"', '"openapi": "3.0.3"'
    )
    assert parse_body(found_in(text, "POST /leads", ["ID"]).body) == {"id": "{{ID}}"}


def test_a_reference_beside_other_keys_of_a_parameter_and_a_path():
    text = json.dumps(
        {
            "openapi": "3.1.0",
            "components": {
                "parameters": {
                    "P": {"name": "p", "in": "query", "schema": {"type": "integer"}}
                },
                "pathItems": {"I": {"parameters": [], "summary": "Its own"}},
            },
            "paths": {
                "/x": {
                    "$ref": "#/components/pathItems/I",
                    "get": {
                        "parameters": [
                            {
                                "$ref": "#/components/parameters/P",
                                "description": "How many",
                            }
                        ]
                    },
                }
            },
        }
    )
    (parameter,) = found_in(text, "GET /x", ["P"]).parameters
    assert (parameter.type, parameter.description) == (
        ParameterType.INTEGER,
        "How many",
    )


def test_parts_that_describe_the_same_are_put_together():
    schema = {
        "allOf": [
            {
                "properties": {
                    "a": {
                        "type": "object",
                        "properties": {
                            "x": {"type": "string"},
                            "z": {"type": "string"},
                        },
                        "required": ["x"],
                    },
                    "rows": {"items": {"properties": {"m": {"type": "string"}}}},
                    "n": {"type": ["number", "null"]},
                    "state": {"enum": ["on", "off", "new"]},
                },
                "required": ["a"],
            },
            {
                "properties": {
                    "a": {
                        "properties": {
                            "y": {"type": "integer"},
                            "z": {"description": "Both"},
                        },
                        "required": ["y"],
                    },
                    "rows": {"items": {"properties": {"k": {"type": "boolean"}}}},
                    "n": {"type": "integer", "description": "How many"},
                    "state": {"enum": ["off", "on"]},
                    "gone": {"type": "string"},
                },
                "required": ["rows"],
            },
            {"properties": {"gone": {"readOnly": True}}},
        ],
    }
    assert body(schema, ["Z", "N", "State", "Gone", "M", "K"]) == {
        "a": {"x": "{{X}}", "z": "{{Z}}", "y": "{{Y}}"},
        "rows": [{"m": "{{M}}", "k": "{{K}}"}],
        "n": "{{N}}",
        "state": "{{State}}",
    }
    offered = understood(with_body(schema), "POST /leads").offered
    said = {one.name: (one.is_required, one.type, one.description) for one in offered}
    assert said["X"] == (True, ParameterType.TEXT, "")
    assert said["Y"] == (True, ParameterType.INTEGER, "")
    assert said["Z"] == (False, ParameterType.TEXT, "Both")
    assert said["N"] == (False, ParameterType.INTEGER, "How many")
    assert "Gone" not in said
    found = understood(with_body(schema), "POST /leads", ["State"]).found
    (state,) = (one for one in found.parameters if one.name == "State")
    assert state.allowed == ("on", "off")


def test_a_schema_s_own_properties_are_put_together_with_its_parts():
    schema = {
        "properties": {"a": {"description": "Mine", "properties": {"x": {}}}},
        "required": ["a"],
        "allOf": [{"properties": {"a": {"description": "Theirs", "required": ["x"]}}}],
        "oneOf": [{"properties": {"a": {"properties": {"y": {"type": "integer"}}}}}],
    }
    assert body(schema, ["Y"]) == {"a": {"y": "{{Y}}", "x": "{{X}}"}}


def test_of_one_of_the_first_that_is_something_is_taken_and_the_others_named():
    schema = {
        "oneOf": [
            {"type": "null"},
            {"title": "Person", "required": ["email"], "properties": {"email": {}}},
            {"title": "Company", "properties": {"vat": {}}},
        ]
    }
    found = found_in(with_body(schema), "POST /leads")
    assert parse_body(found.body) == {"email": "{{Email}}"}
    assert found.notes == ("The body can be one of Person, Company: Person is taken.",)


def test_an_example_says_what_is_sent_at_first():
    schema = {"properties": {"email": {"type": "string"}, "age": {"type": "integer"}}}
    example = {"email": "ada@example.com", "extra": 1.5}
    found = found_in(with_body(schema, media={"example": example}), "POST /leads")
    assert parse_body(found.body) == {"email": "{{Email}}", "extra": "{{Extra}}"}
    assert found.parameters == (
        Parameter(name="Email", required=False, example="ada@example.com"),
        Parameter(
            name="Extra", required=False, type=ParameterType.NUMBER, example="1.5"
        ),
    )


def test_named_examples_and_examples_that_are_text():
    components = {"examples": {"Ada": {"value": '{"name": "Ada"}'}}}
    media = {"examples": {"one": {"$ref": "#/components/examples/Ada"}}}
    found = body({}, media=media, components=components)
    assert found == {"name": "{{Name}}"}


def test_what_only_answers_have_is_not_asked_for():
    schema = {"properties": {"id": {"readOnly": True}, "name": {}}}
    assert body(schema) == {"name": "{{Name}}"}


def test_an_api_key_in_a_body_is_left_out():
    schema = {"required": ["api_key", "id"], "properties": {"api_key": {}, "id": {}}}
    assert body(schema) == {"id": "{{ID}}"}


@pytest.mark.parametrize(
    ("media", "kind", "text", "content_type"),
    [
        ({"application/vnd.api+json": {}}, "json", "{{Body}}\n", None),
        ({"*/*": {}}, "json", "{{Body}}\n", "application/json"),
        ({"text/plain": {}}, "text", "{{Body}}", None),
        ({"application/xml": {"example": "<a>1</a>"}}, "text", "<a>1</a>\n", None),
        ({"text/csv": {}, "application/json": {}}, "json", "{{Body}}\n", None),
    ],
)
def test_kinds_of_body(media, kind, text, content_type):
    found = found_in(with_operation("post", requestBody={"content": media}), "POST /x")
    assert (found.body_kind, found.body) == (kind, text)
    expected = content_type or list(media)[-1]
    assert found.headers == {"Content-Type": expected}


def test_files_cannot_be_sent():
    media = {
        "multipart/form-data": {
            "schema": {
                "properties": {
                    "name": {},
                    "photo": {"type": "string", "format": "binary"},
                }
            }
        }
    }
    text = with_operation("post", requestBody={"content": media})
    found = found_in(text, "POST /x")
    assert json.loads(found.body) == {"name": "{{Name}}"}
    assert found.notes[1:] == (
        "“photo” is a file, which an External API cannot send.",
        "The fields are sent as a simple form, not as multipart.",
    )
    pasted = read(PETSTORE, "POST /pet/{petId}/uploadImage")
    assert "octet-stream, which an External API cannot" in pasted.problem
    assert pasted.understood is None


# What is cut


def test_a_schema_that_contains_itself_is_cut_with_a_note():
    person = {
        "required": ["name", "manager"],
        "properties": {
            "name": {"type": "string"},
            "manager": {"$ref": "#/components/schemas/Person"},
        },
    }
    text = with_body(
        {"$ref": "#/components/schemas/Person"},
        components={"schemas": {"Person": person}},
    )
    found = found_in(text, "POST /leads")
    assert parse_body(found.body) == {"name": "{{Name}}"}
    assert found.notes == (
        "“manager” contains itself (“#/components/schemas/Person/properties/manager”): "
        "left out from there.",
    )


@pytest.mark.parametrize(
    "schemas",
    [
        {"A": {"$ref": "#/components/schemas/A"}},
        {
            "A": {"$ref": "#/components/schemas/B"},
            "B": {"$ref": "#/components/schemas/A"},
        },
        {"A": {"allOf": [{"$ref": "#/components/schemas/A"}]}},
        {"A": {"oneOf": [{"$ref": "#/components/schemas/A"}]}},
        {"A": {"type": "array", "items": {"$ref": "#/components/schemas/A"}}},
    ],
)
def test_references_in_a_circle_come_to_an_end(schemas):
    text = with_body(
        {"$ref": "#/components/schemas/A"}, components={"schemas": schemas}
    )
    assert found_in(text, "POST /leads").method == "POST"


def test_a_small_document_cannot_describe_an_endless_body():
    """Ten references in each of twenty levels are ten to the twentieth values."""
    schemas = {
        f"L{level}": {
            "properties": {
                f"p{index}": {"$ref": f"#/components/schemas/L{level + 1}"}
                for index in range(10)
            }
        }
        for level in range(20)
    } | {"L20": {"type": "string"}}
    text = with_body(
        {"$ref": "#/components/schemas/L0"}, components={"schemas": schemas}
    )
    found = read(text, "POST /leads").understood
    assert len(found.offered) <= 200
    assert any("values are taken" in note for note in found.found.notes)


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("https://example.com/pet.json", "is outside the document and is not fetched"),
        ("other.json#/Pet", "is outside the document and is not fetched"),
        ("#/components/schemas/Nobody", "leads nowhere in the document"),
        ("#/info/title", "leads nowhere in the document"),
    ],
)
def test_a_reference_that_is_not_followed_is_said(ref, words):
    found = found_in(with_body({"properties": {"pet": {"$ref": ref}}}), "POST /leads")
    assert parse_body(found.body) == {"pet": "{{Pet}}"}
    assert words in found.notes[0]


# What cannot be read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"openapi": "3.0.0",\n "paths": {', "Line 2, column"),
        ('{"openapi": "3.0.0"}', "There are no operations below “#/paths”"),
        ('{"openapi": "3.0.0", "paths": []}', "“#/paths” is not an object"),
        ('{"openapi": "3.0.0", "paths": {"/x": {"get": 1}}}', "“#/paths/~1x/get” is"),
        ('{"openapi": "3.0.0", "paths": {"/x": 2}}', "“#/paths/~1x” is not an object"),
        (with_operation(tags="a"), "“#/paths/~1x/get/tags” is not a list"),
        ('{"swagger": "2.0", "paths": {}}', "converts Swagger 2.0"),
        ('{"openapi": "4.0.0", "paths": {}}', "not OpenAPI 3"),
        ('{"openapi": 3, "paths": {}}', "not OpenAPI 3"),
        ("openapi: 3.0.0\ninfo:\n", "This is YAML"),
        ("---\nopenapi: 3.0.0\n", "This is YAML"),
        ('swagger: "2.0"', "This is YAML"),
        ("[]", "neither an OpenAPI 3 document"),
        ('{"a": 1}', "neither an OpenAPI 3 document"),
        ('{"openapi": "3.0.0", "a": ' + "[" * 200 + "]" * 200 + "}", "more than 100"),
        ('{"openapi": "3.0.0", "a": ' + "[" * 5000 + "]" * 5000 + "}", "not JSON"),
        ('{"openapi": "3.0.0",\n"a": "\\u0000"}', "Line 2: this text contains a NUL"),
        ('{"a": NaN}', "Line 1, column 7: this is not JSON"),
    ],
)
def test_a_bad_document_says_where(text, words):
    with pytest.raises(PasteError) as caught:
        read(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"parameters": {}}, "“#/paths/~1x/get/parameters” is not a list ({})."),
        ({"parameters": [3]}, "“#/paths/~1x/get/parameters/0” is not an object (3)."),
        (
            {"requestBody": {"content": {"application/json": 1}}},
            "“#/paths/~1x/get/requestBody/content/application~1json” is not an object",
        ),
        ({"servers": [{"url": 7}]}, "“#/paths/~1x/get/servers/0/url” is not a text"),
        ({"security": {}}, "“#/paths/~1x/get/security” is not a list"),
    ],
)
def test_a_bad_operation_says_where(operation, words):
    assert words in read(with_operation(**operation), "GET /x").problem


def test_a_bad_schema_says_where():
    schema = {"properties": {"a": {"properties": []}}}
    problem = read(with_body(schema), "POST /leads").problem
    assert (
        "application~1json/schema/properties/a/properties” is not an object" in problem
    )


def test_two_backslashes_before_u0000_are_no_nul_character():
    text = json.dumps(
        {"openapi": "3.0.0", "paths": {"/x": {"get": {}}}, "a": "\\u0000"}
    )
    assert read(text).document.operations


def test_what_an_optional_object_requires_goes_with_what_is_picked_of_it():
    address = {"required": ["line1"], "properties": {"line1": {}, "city": {}}}
    schema = {"required": ["email"], "properties": {"email": {}, "address": address}}
    assert body(schema, []) == {"email": "{{Email}}"}
    found = understood(with_body(schema), "POST /leads", ["City"])
    assert parse_body(found.found.body) == {
        "email": "{{Email}}",
        "address": {"line1": "{{Line 1}}", "city": "{{City}}"},
    }
    required = {one.name: one.required for one in found.found.parameters}
    assert required == {"Email": True, "Line 1": True, "City": False}
    offered = {one.name: one.is_required for one in found.offered}
    assert offered == {"Email": True, "Line 1": False, "City": False}
