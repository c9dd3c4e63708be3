"""What is sent, and what is said of it, as JSON Schemas."""

from collections.abc import Sequence
from typing import Any

from lemnisk_braze.lib.names import UNSEEN
from segments.tracking import rest_source, validation
from segments.tracking.request_body import (
    MAX_BATCH,
    MAX_BATCH_MESSAGES,
    MAX_DEPTH,
    MAX_MESSAGE,
)

Schema = dict[str, Any]

# One line of visible characters, not all of them blank.
VISIBLE = rf"^[^{UNSEEN}]*[^\s{UNSEEN}][^{UNSEEN}]*$"
CODES = (
    "bad_chunk",
    "bad_gzip",
    "bad_json",
    "bad_length",
    "bad_request",
    "cannot_be_stored",
    "cut_off",
    "invalid",
    "length_required",
    "method_not_allowed",
    "origin_not_allowed",
    "several_people",
    "too_large",
    "unauthorized",
    "unavailable",
    "unsupported_encoding",
    "unsupported_type",
)


def named(name: str) -> Schema:
    """Where one of the schemas stands, for another."""
    return {"$ref": f"#/components/schemas/{name}"}


def of(kinds: Sequence[str]) -> Schema:
    """All schemas, by name; of these kinds of messages."""
    return {
        "Text": {"pattern": r"^[^\u0000]*$"},
        "Value": {
            "description": f"Nested at most {MAX_DEPTH} deep; whole numbers have 64 bits.",
            "anyOf": [
                {"type": ["null", "boolean", "number"]},
                {**named("Text"), "type": "string"},
                {"type": "array", "items": named("Value")},
                {
                    "type": "object",
                    "propertyNames": named("Text"),
                    "additionalProperties": named("Value"),
                },
            ],
        },
        "ID": _id(validation.MAX_NAME, "characters"),
        "UserID": _id(validation.MAX_USER_ID, "bytes"),
        "Name": {
            "type": "string",
            "minLength": 1,
            "maxLength": validation.MAX_NAME,
            "pattern": VISIBLE,
        },
        "Time": {
            "description": "ISO 8601 with a zone, between the years 2000 and 2200.",
            "type": ["string", "null"],
            "examples": ["2026-01-31T12:00:00Z"],
        },
        "Properties": _values("What belongs to it.", {}),
        "Traits": _values(
            "What is known of the person; null removes one.", _contacts()
        ),
        "Context": {
            "description": "Of this `traits`, `externalId` and `externalIds` are read, "
            "for any call; what cannot be kept of it is left out, with a warning.",
            "properties": {
                "traits": {"description": "As in identify."},
                "externalIds": {
                    "description": "Other names of the person.",
                    "examples": [[{"type": "user_alias", "id": "newsletter:ann"}]],
                },
            },
        },
        **{kind.capitalize(): _message(kind, is_alone=True) for kind in kinds},
        **{f"{kind.capitalize()}Item": _message(kind) for kind in kinds},
        "Batch": {
            "type": "object",
            "description": f"At most {MAX_BATCH >> 10} KB.",
            "required": ["batch"],
            "properties": {
                "batch": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_BATCH_MESSAGES,
                    "items": {
                        "description": "A message that is none is refused by itself.",
                        "anyOf": [named(f"{kind.capitalize()}Item") for kind in kinds],
                    },
                },
                "sentAt": {"description": "For those that say none themselves."},
                "writeKey": {"description": "Where no header says it."},
            },
        },
        **_data(),
        **_answers(),
    }


def _message(kind: str, *, is_alone: bool = False) -> Schema:
    looked_at = {"properties": named("Properties")}
    looked_at |= {name: named("Value") for name in ("name", "category")}
    own: dict[str, Schema] = {
        "identify": {"traits": named("Traits")},
        "track": {"event": named("Name"), "properties": named("Properties")},
        "page": looked_at,
        "screen": looked_at,
        "group": {"groupId": _there("UserID"), "traits": named("Properties")},
        "alias": {"previousId": _there("UserID"), "userId": _there("UserID")},
    }[kind]
    needed = {
        "track": ["event"],
        "group": ["groupId"],
        "alias": ["previousId", "userId"],
    }
    type_ = {"enum": [kind, None]} if is_alone else {"const": kind}
    required = needed.get(kind, []) + ([] if is_alone else ["type"])
    return {
        "type": "object",
        "description": f"At most {MAX_MESSAGE >> 10} KB. Other fields are kept out.",
        "required": required,
        "properties": {
            "type": type_,
            "userId": named("UserID"),
            "anonymousId": named("ID"),
            "messageId": named("ID"),
            "timestamp": named("Time"),
            "originalTimestamp": named("Time"),
            "sentAt": named("Time"),
            "context": named("Context"),
            **own,
        },
        "anyOf": _who("userId", "anonymousId", "context", "traits"),
    }


def _data() -> Schema:
    sent = {"messageId": named("ID")}
    sent |= {
        name: named("Time") for name in ("timestamp", "originalTimestamp", "sentAt")
    }
    other_ids = _values("Other names of the person, by their kinds.", _contacts())
    who = {
        "userid": named("UserID"),
        "userId": {"description": "In place of userid."},
        "otherIds": other_ids | {"additionalProperties": True},
        **_contacts(),
    }
    return {
        "Data": {
            "type": "object",
            "description": f"At most {MAX_MESSAGE >> 10} KB. Other fields are kept out.",
            "required": ["type"],
            "properties": {"type": {"enum": list(rest_source.KINDS)}, **who, **sent},
            "anyOf": _who(*who, "properties"),
            "if": {"properties": {"type": {"const": "track"}}},
            "then": {
                "required": ["eventname"],
                "properties": {
                    "eventname": named("Name"),
                    "properties": named("Properties"),
                },
            },
            "else": {"properties": {"properties": named("Traits")}},
        },
        "Removal": {
            "type": "object",
            "description": "With `properties` these attributes go, else the person.",
            "properties": {
                "type": {"enum": ["identify", None]},
                **who,
                "properties": {
                    "type": ["object", "null"],
                    "minProperties": 1,
                    "maxProperties": validation.MAX_ATTRIBUTES,
                    "propertyNames": named("Name"),
                },
            },
            "if": {
                "required": ["properties"],
                "properties": {"properties": {"type": "object"}},
            },
            "then": {"properties": sent},
            "anyOf": _who(*who),
        },
    }


def _id(most: int, unit: str) -> Schema:
    return {
        "description": f"At most {most} {unit}; a number is kept in its digits.",
        "type": ["string", "number", "null"],
        "maxLength": most,
        "anyOf": [{"type": ["number", "null"]}, {"const": ""}, {"pattern": VISIBLE}],
    }


def _there(name: str) -> Schema:
    return {**named(name), "type": ["string", "number"], "minLength": 1}


def _who(*fields: str) -> list[Schema]:
    """One of them must name the person."""
    said = {"type": ["string", "number", "object"], "minLength": 1}
    return [{"required": [name], "properties": {name: said}} for name in fields]


def _values(description: str, known: Schema) -> Schema:
    return {
        "description": description,
        "type": ["object", "null"],
        "maxProperties": validation.MAX_ATTRIBUTES,
        "propertyNames": named("Name"),
        "properties": known,
        "additionalProperties": named("Value"),
    }


def _contacts() -> Schema:
    phone = {"minimum": 0, "exclusiveMaximum": validation.PHONE_NUMBERS}
    return {
        "email": {"type": ["string", "null"], "maxLength": validation.MAX_EMAIL},
        "phone": {
            "type": ["string", "integer", "null"],
            "maxLength": validation.MAX_PHONE,
            **phone,
        },
    }


# --- What is answered ---------------------------------------------------------------


def _answers() -> Schema:
    notice = _object(index=_COUNT, code=_TEXT, message=_TEXT)
    warnings = {"type": "array", "items": notice, "minItems": 1}
    refused = {"type": "array", "items": named("Refusal"), "minItems": 1}
    return {
        "Accepted": _object(("warnings",), success={"const": True}, warnings=warnings),
        "BatchAccepted": _object(
            ("accepted", "refused", "warnings"),
            success={"const": True},
            accepted=_COUNT,
            refused=refused,
            warnings=warnings,
        ),
        "DataAccepted": _object(message={"const": "Success"}, id=_TEXT),
        "Refused": _object(
            ("accepted", "refused"),
            success={"const": False},
            code={"enum": list(CODES)},
            message=_TEXT,
            accepted={"const": 0},
            refused=refused,
        ),
        "Refusal": _object(index=_COUNT, code={"enum": list(CODES)}, message=_TEXT),
    }


_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}


def _object(optional: Sequence[str] = (), **properties: Schema) -> Schema:
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": properties,
        "additionalProperties": False,
    }
