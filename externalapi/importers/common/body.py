"""The body of a pasted request: which kind it is, and what of it is kept."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

from externalapi.http.auth import Auth
from externalapi.importers.common.http_request import is_gap, is_secret_field
from externalapi.importers.common.types import BodyKind, Imported
from externalapi.template.parser import BodyError, parse_body
from externalapi.template.spans import formatted
from lemnisk_braze.lib.json_types import JSON

_JSON_TYPE = "application/json"
_FORM_TYPE = "application/x-www-form-urlencoded"
# A comma after the last value: vendors' own examples have it.
_LAST_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(\s*[}\]])', re.DOTALL)
_KEY_IN_BODY = re.compile(
    r'"(api[-_]?key)"\s*:\s*"((?:[^"\\]|\\.)*)"\s*,?[ \t]*\n?\s*', re.IGNORECASE
)


def with_body(
    found: Imported,
    data: str,
    fields: Sequence[tuple[str, str]] = (),
    *,
    is_json: bool = False,
) -> Imported:
    """Return the definition with its body: a text, or the fields of a form."""
    kind = _kind(found, data, is_form=bool(fields), is_json=is_json)
    match kind:
        case BodyKind.JSON:
            return _with_json(found, data, was_said=is_json)
        case BodyKind.FORM:
            return _with_form(found, fields or parse_qsl(data, True), bool(fields))
    return replace(found, body=data, body_kind=kind)


def _kind(found: Imported, data: str, *, is_form: bool, is_json: bool) -> BodyKind:
    content_type = _content_type(found)
    if is_form:
        return BodyKind.FORM
    if is_json or "json" in content_type:
        return BodyKind.JSON
    if not data:
        return BodyKind.NONE
    if content_type in ("", _FORM_TYPE) and data.lstrip()[:1] in ("{", "["):
        return BodyKind.JSON
    if content_type in ("", _FORM_TYPE) and "=" in data:
        return BodyKind.FORM
    return BodyKind.TEXT


def _content_type(found: Imported) -> str:
    for name, value in found.headers.items():
        if name.lower() == "content-type":
            return value.partition(";")[0].strip().lower()
    return ""


def _with_json(found: Imported, text: str, *, was_said: bool) -> Imported:
    """Return it with a JSON body, laid out; `was_said`: the command said it is JSON."""
    found = _without_key(replace(found, body_kind=BodyKind.JSON), text)
    notes = list(found.notes)
    body = found.body
    try:
        parse_body(body)
    except BodyError:
        body = _without_last_commas(body)
        if body != found.body:
            notes.append("A comma after the last value is taken out: JSON has none.")
    try:
        body = formatted(body)
    except BodyError as e:
        notes.append(f"The body is not JSON yet. Correct it in the editor. {e}")
    if _content_type(found) in ("", _FORM_TYPE):
        found = replace(found, headers=_typed(found, _JSON_TYPE))
        if not was_said:
            notes.append("The body is JSON, so Content-Type becomes application/json.")
    return replace(found, body=body, notes=tuple(notes))


def _without_last_commas(text: str) -> str:
    return _LAST_COMMA.sub(lambda found: found[1] or found[2], text)


def _without_key(found: Imported, text: str) -> Imported:
    """A key in the body, as Braze took it until 2020, goes apart as any other."""
    key = _KEY_IN_BODY.search(text)
    if key is None:
        return replace(found, body=text)
    left = _without_last_commas(_KEY_IN_BODY.sub("", text))
    note = f"“{key[1]}” is taken out of the body: the connection signs in."
    found = replace(
        found,
        body=left,
        notes=(*found.notes, note),
        secrets=(*found.secrets, key[2]),
    )
    if found.auth is not Auth.NONE:
        return found
    secret = "" if is_gap(key[2]) else key[2]
    return replace(found, auth=Auth.BEARER, secret=secret)


def _with_form(
    found: Imported, fields: Sequence[tuple[str, str]], is_multipart: bool
) -> Imported:
    kept: dict[str, JSON] = {}
    secrets = list(found.secrets)
    notes = list(found.notes)
    for name, value in fields:
        if is_secret_field(name):
            secrets.append(value)
            notes.append(f"The field “{name}” is left out: the connection signs in.")
        else:
            _add(kept, name, value)
    if is_multipart:
        notes.append("The fields are sent as a simple form, not as multipart.")
    return replace(
        found,
        body=json.dumps(kept, indent=2, ensure_ascii=False) + "\n",
        body_kind=BodyKind.FORM,
        headers=_typed(found, _FORM_TYPE),
        secrets=tuple(secrets),
        notes=tuple(notes),
    )


def _add(kept: dict[str, JSON], name: str, value: str) -> None:
    """A field that comes more than once is a list, which is sent as it came."""
    known = kept.setdefault(name, value)
    if isinstance(known, list):
        known.append(value)
    elif known is not value:
        kept[name] = [known, value]


def _typed(found: Imported, content_type: str) -> dict[str, str]:
    others = {n: v for n, v in found.headers.items() if n.lower() != "content-type"}
    return {"Content-Type": content_type, **others}
