"""A request's body as JSON, refusing what JSON parsers quietly accept. Pure."""

import json
import zlib
from typing import Any

import orjson

from segments.tracking.errors import RefusedError

MAX_BATCH = 500 << 10
MAX_MESSAGE = 32 << 10
# What a body adds around its messages: sentAt, writeKey, context.
MAX_ENVELOPE = 4 << 10
MAX_DEPTH = 20


def gunzip(data: bytes, limit: int) -> bytes:
    """Decompress at most `limit` bytes; more is refused with 413."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(data, limit + 1)
    except zlib.error as e:
        raise RefusedError(400, "bad_gzip", "The body is not valid gzip.") from e
    if len(plain) > limit:
        raise too_large(limit)
    if not inflater.eof:
        raise RefusedError(400, "bad_gzip", "The gzip body is cut off.")
    if inflater.unused_data:
        raise RefusedError(400, "bad_gzip", "Something follows the gzip body.")
    return plain


def too_large(limit: int) -> RefusedError:
    """The 413 of a body over `limit` bytes."""
    return RefusedError(413, "too_large", f"Send at most {limit >> 10} KB a request.")


def write_key(data: bytes) -> object:
    """The write key in a body that nobody has vouched for yet; None where none is.

    Costs no more than reading it once: whoever has no key gets nothing else done.
    """
    try:
        body = orjson.loads(data)
    except ValueError:
        return None
    return body.get("writeKey") if isinstance(body, dict) else None


def parse(data: bytes) -> dict[str, Any]:
    """One JSON object, strictly.

    orjson refuses NaN, numbers beyond a double, lone surrogates, bytes that are not
    UTF-8 and bottomless nesting; json's hook sees duplicate keys and whole numbers as
    they were written.
    """
    try:
        orjson.loads(data)
        body = json.loads(data.decode(), object_pairs_hook=_unique)
    except _DuplicateKeyError as e:
        raise _bad(f"The key “{e}” is there twice.") from e
    except (ValueError, RecursionError) as e:
        raise _bad(
            "The body is not valid JSON, or holds a number without a value."
        ) from e
    if not isinstance(body, dict):
        raise _bad("Send a JSON object.")
    return body


def check_storable(message: dict[str, Any]) -> None:
    """Raise a RefusedError unless PostgreSQL and everyone after it can hold it."""
    _check_values(message, depth=1)
    try:
        size = len(orjson.dumps(message))
    except TypeError as e:
        raise _bad(
            "Whole numbers have at most 64 bits; send a longer one as text."
        ) from e
    if size > MAX_MESSAGE:
        raise RefusedError(
            413, "too_large", f"A message has at most {MAX_MESSAGE >> 10} KB."
        )


class _DuplicateKeyError(ValueError):
    """A JSON object names a key twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key[:50])
            seen.add(key)
    return found


def _bad(message: str) -> RefusedError:
    return RefusedError(400, "bad_json", message)


def _check_values(value: Any, depth: int) -> None:
    """Look at each value once, and no deeper than it may go."""
    if isinstance(value, str):
        if "\0" in value:
            raise _bad(r"The character \u0000 cannot be stored.")
    elif isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise _bad(f"Nest values at most {MAX_DEPTH} deep.")
        for name in value if isinstance(value, dict) else ():
            _check_values(name, depth)
        for each in value.values() if isinstance(value, dict) else value:
            _check_values(each, depth + 1)
