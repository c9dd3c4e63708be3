"""What filters do with texts, as Ruby's Liquid and Braze do it."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

import orjson

from engagements.personalization.filters.budget import check_length
from engagements.personalization.filters.errors import FilterError
from externalapi.template.parameters import MAX_DEPTH, as_json
from lemnisk_braze.lib.json_types import JSON

_LINE_ENDS = re.compile(r"\r?\n")
_SPACES = re.compile(r"\s+")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_MARKUP = re.compile(r"[&<>\"']")
_UNESCAPED = re.compile(r"[<>\"']|&(?!(?:[a-zA-Z]{1,31}|#[0-9]{1,7});)")
_URL_SAFE = str.maketrans("-_", "+/")
_IN_URL = "-_.!~*'();/?:@&=+$,[]"
# What cannot be seen inside of: everything from the one to the other goes.
_OPAQUE = (("<script", "</script>"), ("<!--", "-->"), ("<style", "</style>"))


def append(text: str, more: str) -> str:
    return text + more


def prepend(text: str, more: str) -> str:
    return more + text


def capitalize(text: str) -> str:
    return text.capitalize()


def replace(text: str, old: str, new: str = "") -> str:
    # Counted first: one filter can make gigabytes of a page.
    check_length(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def replace_first(text: str, old: str, new: str = "") -> str:
    return text.replace(old, new, 1)


def replace_last(text: str, old: str, new: str) -> str:
    at = text.rfind(old)
    return text if at < 0 else text[:at] + new + text[at + len(old) :]


def remove(text: str, old: str) -> str:
    return text.replace(old, "")


def remove_first(text: str, old: str) -> str:
    return text.replace(old, "", 1)


def remove_last(text: str, old: str) -> str:
    return replace_last(text, old, "")


def slice_(value: Any, start: int, length: int = 1) -> Any:
    """From `start` (below 0: from the end) so many characters or items."""
    begin = start + len(value) if start < 0 else start
    if begin < 0:
        return value[:0]
    return value[begin : begin + max(length, 0)]


def split(text: str, at: str) -> list[str]:
    """Empty pieces at the end go, as in Ruby."""
    if not at:
        return list(text)
    pieces = text.split() if at == " " else text.split(at)
    while pieces and not pieces[-1]:
        pieces.pop()
    return pieces


def truncate(text: str, length: int = 50, end: str = "...") -> str:
    if len(text) <= length:
        return text
    return text[: max(length - len(end), 0)] + end


def truncatewords(text: str, count: int = 15, end: str = "...") -> str:
    words = text.split()
    kept = max(count, 1)
    return text if len(words) <= kept else " ".join(words[:kept]) + end


def squish(text: str) -> str:
    return _SPACES.sub(" ", text.strip())


def strip_newlines(text: str) -> str:
    return _LINE_ENDS.sub("", text)


def newline_to_br(text: str) -> str:
    return _LINE_ENDS.sub("<br />\n", text)


def strip_html(text: str) -> str:
    for opening, closing in _OPAQUE:
        text = _without(text, opening, closing)
    return _without(text, "<", ">")


def escape(text: str) -> str:
    return _MARKUP.sub(lambda found: _HTML[found[0]], text)


def escape_once(text: str) -> str:
    return _UNESCAPED.sub(lambda found: _HTML[found[0]], text)


def url_encode(text: str) -> str:
    return quote_plus(text)


def url_decode(text: str) -> str:
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError as e:
        raise FilterError("this is not a text in URL encoding") from e


def url_escape(text: str) -> str:
    return quote(text, safe=_IN_URL)


def url_param_escape(text: str) -> str:
    return quote(text, safe="")


def json_escape(text: str) -> str:
    return orjson.dumps(text).decode()[1:-1]


def as_json_string(value: JSON) -> str:
    try:
        return as_json(value)
    except (TypeError, ValueError) as e:
        raise FilterError("this cannot be written as JSON") from e


def json_parse(text: str) -> JSON:
    try:
        value: JSON = orjson.loads(text)
    except orjson.JSONDecodeError as e:
        raise FilterError("this is not JSON") from e
    _check_depth(value, MAX_DEPTH)
    return value


def base64_encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def base64_url_safe_encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def base64_decode(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError as e:
        raise FilterError("this is not a text in base64") from e


def base64_url_safe_decode(text: str) -> str:
    """Also where the “=” at the end is left out, as in a link."""
    whole = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    return base64_decode(whole.translate(_URL_SAFE))


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def hmac_hex(kind: str) -> Callable[[str, str], str]:
    return lambda text, key: hmac.new(key.encode(), text.encode(), kind).hexdigest()


def hmac_base64(kind: str) -> Callable[[str, str], str]:
    def sign(text: str, key: str) -> str:
        signed = hmac.new(key.encode(), text.encode(), kind).digest()
        return base64.b64encode(signed).decode()

    return sign


def _without(text: str, opening: str, closing: str) -> str:
    """The text without all from each opening to its closing, in one pass."""
    kept = []
    at = 0
    while (start := text.find(opening, at)) >= 0:
        end = text.find(closing, start + len(opening))
        if end < 0:
            break
        kept.append(text[at:start])
        at = end + len(closing)
    kept.append(text[at:])
    return "".join(kept)


def _check_depth(value: object, depth: int) -> None:
    if isinstance(value, list | dict):
        if depth == 0:
            raise FilterError(f"this is nested more than {MAX_DEPTH} levels deep")
        for item in value.values() if isinstance(value, dict) else value:
            _check_depth(item, depth - 1)
