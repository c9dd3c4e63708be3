"""A request's body as JSON, refusing what JSON parsers quietly accept. Pure.

orjson reads it; where its text could hold what orjson does not see (a key that is there
twice, a whole number beyond 64 bits) each message is read again, slowly and by itself,
so that one of a batch that nobody can read does not take the others along.
"""

import json
import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from segments.tracking.errors import RefusedError

MAX_BATCH = 500 << 10
MAX_MESSAGE = 32 << 10
# What a body adds around its messages: sentAt, writeKey, context.
MAX_ENVELOPE = 4 << 10
MAX_BATCH_MESSAGES = 2_500
MAX_DEPTH = 20

# As many digits may be more than 64 bits, which orjson rounds.
_LONG_NUMBER = b"0" * 19
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
# Blanks before a colon, quotes and colons in disguise: with these a count of `":` says
# nothing about the number of keys. Looked for where blanks and hex digits are of one kind.
_HIDING = (b" :", b"\\u0022", b"\\u003a")
_ALIKE = bytes.maketrans(b"\t\n\rA", b"   a")
# A string, also one without an end; and what nests or parts values.
_TOKENS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)|[\[\]{}:,]', re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The fields around a batch's messages, and these: each a value or its refusal."""

    body: bytes
    fields: dict[str, Any]
    messages: list[Any]

    def sent(self, index: int) -> bytes:
        """One of the messages as it was sent."""
        return self._parts[1][index]

    @cached_property
    def _parts(self) -> tuple[bytes, list[bytes]]:
        return _parted(self.body)


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
    """One JSON object, strictly."""
    is_plain, body = _read(data)
    if not is_plain:
        body = _strictly(data)
    if not isinstance(body, dict):
        raise _bad("Send a JSON object.")
    return body


def parse_batch(data: bytes) -> Batch:
    """An object with a list of messages in "batch"; strictly, and each by itself.

    Of "batch" nothing is taken for granted: it may be missing, or no list.
    """
    is_plain, body = _read(data)
    if is_plain:
        if not isinstance(body, dict):
            raise _bad("Send a JSON object.")
        messages = body.pop("batch", None)
        return Batch(body=data, fields=body, messages=_listed(messages))
    around, texts = _parted(data)
    fields = parse(around)
    _listed(fields.pop("batch", None))
    return Batch(body=data, fields=fields, messages=[_or_refusal(t) for t in texts])


def check_size(message: dict[str, Any]) -> bool:
    """Raise a RefusedError for a message that is too large.

    Returns whether nothing in it can be such that it cannot be stored.
    """
    try:
        text = orjson.dumps(message)
    except TypeError:
        # A whole number of more than 64 bits, or nested deeper than orjson writes.
        text, is_plain = _slowly(message), False
    else:
        is_plain = (
            text.count(b"{") + text.count(b"[") <= MAX_DEPTH and b"\\u0000" not in text
        )
    if len(text) > MAX_MESSAGE:
        raise RefusedError(
            413, "too_large", f"A message has at most {MAX_MESSAGE >> 10} KB."
        )
    return is_plain


def check_values(kept: dict[str, Any]) -> None:
    """Raise a RefusedError unless PostgreSQL and everyone after it can hold them."""
    _check_values(kept, depth=1)
    try:
        orjson.dumps(kept)
    except TypeError as e:
        raise _bad(
            "Whole numbers have at most 64 bits; send a longer one as text."
        ) from e


def check_storable(message: dict[str, Any]) -> None:
    """Both, for a message of which all is kept."""
    if not check_size(message):
        check_values(message)


def parse_value(text: str) -> Any:
    """A JSON value that can be kept in a message; raises a RefusedError."""
    try:
        value = _strictly(text.encode())
    except UnicodeEncodeError as e:
        raise _unreadable() from e
    check_storable({"traits": {"": value}})
    return value


class _DuplicateKeyError(ValueError):
    """A JSON object names a key twice."""


def _read(data: bytes) -> tuple[bool, Any]:
    """Whether orjson has seen all there is to see, and the value that it read.

    Each key is followed by `":` in what was sent and in what orjson would write, and
    what else looks so in the one does in the other: as many in both, and no key was
    there twice.
    """
    try:
        body = orjson.loads(data)
        dumped = orjson.dumps(body)
    except (ValueError, TypeError):
        # No JSON, or nested deeper than orjson writes.
        return False, None
    is_plain = (
        data.count(b'":') == dumped.count(b'":')
        and not any(map(data.translate(_ALIKE).__contains__, _HIDING))
        and _LONG_NUMBER not in data.translate(_DIGITS)
    )
    return is_plain, body


def _strictly(data: bytes) -> Any:
    """A value by the reader that says which key is there twice, and rounds nothing.

    orjson refuses NaN, numbers beyond a double, lone surrogates, bytes that are not
    UTF-8 and bottomless nesting; json's hook sees duplicate keys and whole numbers as
    they were written.
    """
    try:
        orjson.loads(data)
        return json.loads(data.decode(), object_pairs_hook=_unique)
    except _DuplicateKeyError as e:
        raise _bad(f"The key “{e}” is there twice.") from e
    except (ValueError, RecursionError) as e:
        raise _unreadable() from e


def _or_refusal(text: bytes) -> Any:
    try:
        return _strictly(text)
    except RefusedError as e:
        return e


def _parted(data: bytes) -> tuple[bytes, list[bytes]]:
    """The text around a batch's messages, and that of each of them.

    By quotes and brackets alone: what stands between them may be no JSON at all.
    """
    try:
        text = data.decode()
    except ValueError as e:
        raise _unreadable() from e
    depth, key, string, is_batch, first, begin = 0, "", "", False, 0, 0
    parts: list[str] = []
    for token in _TOKENS.finditer(text):
        kind = token[0][0]
        if kind == '"':
            string = token[0]
        elif kind == ":" and depth == 1:
            key = string
        elif kind in "[{":
            depth += 1
            if depth == 2:
                is_batch = kind == "[" and _is_batch(key)
                first = begin = token.end()
        elif kind in "]}":
            depth -= 1
            if depth == 1 and is_batch:
                last = text[begin : token.start()]
                if parts or last.strip():
                    parts.append(last)
                around = text[:first] + text[token.start() :]
                return around.encode(), [part.encode() for part in parts]
        elif kind == "," and depth == 2 and is_batch:
            parts.append(text[begin : token.start()])
            begin = token.end()
            if len(parts) >= MAX_BATCH_MESSAGES:
                raise _too_many()
    return data, []


def _is_batch(key: str) -> bool:
    try:
        return bool(json.loads(key) == "batch")
    except ValueError:
        return False


def _listed(messages: object) -> list[Any]:
    if not isinstance(messages, list):
        raise RefusedError(400, "invalid", "batch is a list of messages.")
    if len(messages) > MAX_BATCH_MESSAGES:
        raise _too_many()
    return messages


def _too_many() -> RefusedError:
    return RefusedError(
        413, "too_large", f"Send at most {MAX_BATCH_MESSAGES:,} messages a batch."
    )


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


def _unreadable() -> RefusedError:
    return _bad("The body is not valid JSON, or holds a number without a value.")


def _slowly(message: dict[str, Any]) -> bytes:
    try:
        return json.dumps(message, ensure_ascii=False).encode()
    except RecursionError as e:
        raise _too_deep() from e


def _too_deep() -> RefusedError:
    return _bad(f"Nest values at most {MAX_DEPTH} deep.")


def _check_values(value: Any, depth: int) -> None:
    """Look at each value once, and no deeper than it may go."""
    if isinstance(value, str):
        if "\0" in value:
            raise _bad(r"The character \u0000 cannot be stored.")
    elif isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise _too_deep()
        for name in value if isinstance(value, dict) else ():
            _check_values(name, depth)
        for each in value.values() if isinstance(value, dict) else value:
            _check_values(each, depth + 1)
