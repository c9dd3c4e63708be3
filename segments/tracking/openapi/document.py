"""Addresses, and what they answer."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from segments.tracking.answering import Answer, answering
from segments.tracking.openapi import schemas
from segments.tracking.openapi.schemas import Schema, named
from segments.tracking.validation import KINDS

# In the order of their numbers.
REFUSALS = {
    400: "It will never work as it is: mend it. A message is kept with the reason.",
    401: "No such key, or its source is off.",
    403: "A browser sends from a website that the source does not list.",
    405: "There is no such method here.",
    409: "The identifier is of several people.",
    411: "A body without a length, from a server that does not say where it ends.",
    413: "Too large, or too many messages.",
    415: "Not JSON, or compressed by something else than gzip.",
    503: "It cannot be stored just now: send it again after Retry-After seconds.",
}
CALLS: dict[str, tuple[str, Schema]] = {
    "identify": ("Who somebody is", {"traits": {"email": "ann@example.com"}}),
    "track": (
        "What somebody did",
        {"event": "Lead form submitted", "properties": {"product_id": "gold-card"}},
    ),
    "page": ("What somebody looked at", {"name": "Home", "properties": {"path": "/"}}),
    "screen": ("What somebody looked at in an app", {"name": "Inbox"}),
    "group": ("What somebody belongs to", {"groupId": "g1", "traits": {"plan": "gold"}}),
    "alias": ("Two names of one person", {"previousId": "device-1"}),
}  # fmt: skip
BATCHES = ("/v1/batch", "/v1/import", "/v1/b", "/beacon/v1/batch")


@answering("GET")
def openapi(request: HttpRequest) -> Answer:
    """`GET /v1/openapi.json`: this document, with the address of this site."""
    return document(request.build_absolute_uri("/")[:-1])


def document(address: str) -> Answer:
    """The document of the site at an address without a slash at its end."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lemnisk for Braze: tracking API",
            "version": "1",
            "summary": "People and what they do, from websites, apps and servers.",
            "description": "Segment's HTTP tracking spec, and Lemnisk's REST source. "
            "200 is: stored, whatever happens from now on. Bodies may be gzipped, "
            "chunked, or called text/plain, as browsers and libraries send them.",
        },
        "servers": [{"url": address}],
        "paths": _singles() | _batches() | _rest_source() | _of_libraries(),
        "components": {
            "securitySchemes": {
                "writeKey": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The write key as user name, no password.",
                },
                "writeKeyInAddress": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "writeKey",
                },
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "passkey": {"type": "apiKey", "in": "header", "name": "x-api-passkey"},
            },
            "schemas": schemas.of(KINDS),
        },
    }


# --- Addresses --------------------------------------------------------------------


def _singles() -> Schema:
    found = {}
    for kind, (summary, example) in CALLS.items():
        body = {"userId": "user-1", "messageId": f"{kind}-1", **example}
        for name in (kind, kind[0]):
            found[f"/v1/{name}"] = {
                "post": _call(
                    summary if name == kind else f"{summary} (browsers' short name)",
                    kind.capitalize(),
                    {"one": body},
                    answer="Accepted",
                    tag="Segment's spec",
                )
            }
    return found


def _batches() -> Schema:
    items = [
        {"type": kind, "userId": "user-1", "messageId": f"{kind}-2", **example}
        for kind, (_, example) in CALLS.items()
    ]
    refused = [items[0], {"type": "track", "userId": "user-1"}]
    examples = {"all kinds": {"batch": items}, "one is refused": {"batch": refused}}
    return {
        path: {
            "post": _call(
                "Many messages, each by itself",
                "Batch",
                examples,
                answer="BatchAccepted",
                tag="Segment's spec",
            )
        }
        for path in BATCHES
    }


def _rest_source() -> Schema:
    track = {
        "type": "track",
        "userid": "user-1",
        "eventname": "Lead form submitted",
        "properties": {"product_id": "gold-card"},
    }
    identify = {
        "type": "identify",
        "userid": "user-1",
        "properties": {"email": "ann@example.com", "city": "Pune"},
        "otherIds": {"crm": "0042"},
    }
    removal = {"userid": "user-1", "properties": {"city": None}}
    post = _call(
        "A message of Lemnisk's REST source",
        "Data",
        {"track": track, "identify": identify},
        answer="DataAccepted",
        tag="Lemnisk's REST source",
    )
    delete = _call(
        "Remove attributes, or erase a person",
        "Removal",
        {"attributes": removal, "a person": {"userid": "user-2"}},
        answer="DataAccepted",
        tag="Lemnisk's REST source",
    )
    delete["responses"]["409"] = _refusal(409)
    pair: list[Schema] = [{"apiKey": [], "passkey": []}]
    return {
        "/v3/data": {"post": post | {"security": pair}, "delete": delete | {"security": pair}}
    }  # fmt: skip


def _of_libraries() -> Schema:
    tag = "What libraries ask for"
    key = {
        "name": "write_key",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
    }
    metrics = _call(
        "Segment's browser library counts itself", None, {}, "Accepted", tag
    )
    metrics |= {"security": [{}]}
    settings = _read("Settings of Segment's browser library", tag) | {
        "parameters": [key]
    }
    config = _read("Configuration of RudderStack's browser library", tag)
    config |= {"security": [{"writeKey": []}, {"writeKeyInAddress": []}]}
    return {
        "/v1/m": {"post": metrics},
        "/v1/projects/{write_key}/settings": {"get": settings},
        "/sourceConfig/": {"get": config},
        "/sourceConfig": {"get": config},
        "/v1/openapi.json": {"get": _read("This document", tag)},
    }  # fmt: skip


def _call(
    summary: str,
    body: str | None,
    examples: Mapping[str, Any],
    answer: str,
    tag: str,
) -> Schema:
    call: Schema = {
        "summary": summary,
        "tags": [tag],
        "security": [{"writeKey": []}, {"writeKeyInAddress": []}, {}],
        "responses": {"200": _answer("Stored.", answer)}
        | {str(status): _refusal(status) for status in REFUSALS if status != 409},
    }
    if body:
        content = {"schema": named(body)}
        shown = {name: {"value": value} for name, value in examples.items()}
        call["requestBody"] = {
            "required": True,
            "content": {"application/json": {**content, "examples": shown}},
        }
    return call


def _read(summary: str, tag: str) -> Schema:
    refusals = {str(status): _refusal(status) for status in (400, 401, 403, 405, 503)}
    found = {"200": _json("Found.", {"type": "object"})}
    return {
        "summary": summary,
        "tags": [tag],
        "security": [{}],
        "responses": found | refusals,
    }


def _answer(description: str, schema: str) -> Schema:
    return _json(description, named(schema))


def _refusal(status: int) -> Schema:
    found = _answer(REFUSALS[status], "Refused")
    if status == 503:
        found["headers"] = {"Retry-After": {"schema": {"type": "string"}}}
    return found


def _json(description: str, schema: Schema) -> Schema:
    return {
        "description": description,
        "content": {"application/json": {"schema": schema}},
    }
