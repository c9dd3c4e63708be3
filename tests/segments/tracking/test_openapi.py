"""The OpenAPI document against the server: what it says is so, and all is in it."""

import copy
import json
import re
from random import Random

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from segments.ingest import inbox
from segments.models import InboxRequest, RefusedMessage
from segments.tracking import urls, write_keys
from segments.tracking.openapi import document as openapi
from tests.segments.tracking.conftest import basic

DOCUMENT = openapi.document("https://site.example")
REGISTRY = Registry().with_resource(
    "urn:api", Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
)
CALLS = [
    (path, method)
    for path, methods in DOCUMENT["paths"].items()
    for method, call in methods.items()
    if "requestBody" in call
]
EXAMPLES = [
    pytest.param(path, method, example["value"], id=f"{method} {path} {name}")
    for path, method in CALLS
    for name, example in DOCUMENT["paths"][path][method]["requestBody"]["content"][
        "application/json"
    ]["examples"].items()
]
# Something for each way in which a field may be wrong, or just odd.
VALUES: list[object] = [
    None, True, False, 0, 5, -1.5, 1e300, 2**64 - 1, 2**80, "", " ", "x", "0042", "a\nb",
    "\u202e", "\0", "İ" * 320, "u" * 256, "u" * 988, "字" * 400, [], [1], ["\0"], [[[]]],
    {}, {"a": 1}, {"": 1}, {" ": 1}, {"a": "\0"}, {"a\0": 1}, {"n" * 256: 1},
    {"a": {"b": [None, {"c": 2**80}]}}, {"email": 5}, {"email": "x" * 321},
    {"phone": None}, {"phone": []}, {f"n{n}": n for n in range(201)}, "identify", "track",
    "2026-01-31T12:00:00Z", "2026-01-31", "1999-12-31T00:00:00Z", "2201-01-01T00:00:00Z",
]  # fmt: skip
# Beside those of the example.
NAMES = ("type", "userId", "anonymousId", "messageId", "timestamp", "sentAt", "context",
         "traits", "properties", "otherIds", "email", "x")  # fmt: skip
# What a schema has no words for.
UNSAID = re.compile(
    r"bytes|64 bits|cannot be stored|ISO 8601|between the years|after the year|at most 3\d+ characters"
    r"|^Say who it is|is about somebody"
)


def schema_of(path, method):
    content = DOCUMENT["paths"][path][method]["requestBody"]["content"]
    return content["application/json"]["schema"]


def validator(schema):
    text = json.dumps(schema).replace('"#/', '"urn:api#/')
    return Draft202012Validator(json.loads(text), registry=REGISTRY)


def check_answer(path, method, response):
    """It is one of the answers that the document has for the call."""
    answers = DOCUMENT["paths"][path][method]["responses"]
    content = answers[str(response.status_code)]["content"]["application/json"]
    assert response["Content-Type"] == "application/json"
    validator(content["schema"]).validate(response.json())


@pytest.fixture
def ask(client, source, write_key):
    """Call as the document has it, and measure the answer by it."""
    pair = dict(
        zip(("x-api-key", "x-api-passkey"), write_keys.issue_pair(source, "REST"), strict=True)
    )  # fmt: skip

    def ask(path, method, body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        keys = pair if path == "/v3/data" else {"Authorization": basic(write_key)}
        response = client.generic(
            method.upper(), path, data, "application/json", headers=keys | headers
        )
        check_answer(path, method, response)
        return response

    return ask


def test_it_is_an_openapi_document():
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_it_is_served_with_the_address_of_the_site(client):
    response = client.get("/v1/openapi.json")
    assert response.json() == openapi.document("http://testserver")
    check_answer("/v1/openapi.json", "get", response)


def test_every_address_is_in_it_and_no_other():
    served = {
        "/" + re.sub("<str:(.*?)>", r"{\1}", str(each.pattern))
        for each in urls.urlpatterns
    }
    assert served == DOCUMENT["paths"].keys()


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_every_method_is_in_it_and_no_other(client, path, db):
    """Every answer to each of them too."""
    address = path.replace("{write_key}", "wrong")
    for method in ("get", "post", "put", "patch", "delete", "head", "options"):
        response = client.generic(method, address)
        is_there = method in DOCUMENT["paths"][path]
        assert (response.status_code != 405) == is_there, method
        if is_there:
            check_answer(path, method, response)
    allowed = client.generic("put", address)["Allow"].lower().split(", ")
    assert set(allowed) == DOCUMENT["paths"][path].keys()


@pytest.mark.parametrize(("path", "method", "example"), EXAMPLES)
def test_every_example_is_taken_and_applied(ask, path, method, example):
    response = ask(path, method, example)
    assert response.status_code == 200
    right = validator(schema_of(path, method)).is_valid(example)
    assert right == ("refused" not in response.json())
    inbox.apply()
    assert not InboxRequest.objects.exists()
    assert not RefusedMessage.objects.filter(stage="applying").exists()


@pytest.mark.parametrize(("path", "method", "example"), EXAMPLES)
def test_what_it_calls_right_is_taken_and_what_it_calls_wrong_is_not(
    ask, path, method, example, request
):
    """Fields without a value and with VALUES, one at a time; `--fuzz 20000`: all."""
    schema = validator(schema_of(path, method))
    changed = example["batch"][-1] if "batch" in example else example
    cases = [(n, v) for n in sorted({*changed, *NAMES}) for v in [..., *VALUES]]
    most = request.config.getoption("--fuzz") // 20
    random = Random(f"{method} {path} {len(changed)}")
    for name, value in random.sample(cases, min(most, len(cases))):
        body = changed_in(example, name, value)
        answer = ask(path, method, body).json()
        refusals = answer.get("refused") or ([answer] if "code" in answer else [])
        words = [refusal["message"] for refusal in refusals]
        if schema.is_valid(body):
            assert all(map(UNSAID.search, words)), (name, value, words)
        else:
            assert words, (name, value)


def changed_in(example, name, value):
    """The body with another value in a field (of a batch's last message); ... is none."""
    body = copy.deepcopy(example)
    changed = body["batch"][-1] if "batch" in body else body
    changed[name] = value
    if value is ...:
        del changed[name]
    return body
