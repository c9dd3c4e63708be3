"""What a definition's parts may be: the same for a form, a file and a paste.

Each raises ValueError with a sentence for the person who wrote the part.
"""

import re
from collections.abc import Mapping, Sequence

from externalapi.http.ssrf import GuardError, check_url
from externalapi.http.ssrf import check_headers as check_plain_headers
from externalapi.template import bodies
from externalapi.template.parser import check_braces
from externalapi.template.placeholders import find, split_text
from lemnisk_braze.lib.json_types import JSON

_MEDIA_TYPE = re.compile(r"[!#$&^_.+\w-]+/[!#$&^_.+\w-]+")
_SAID = {"json": "JSON", "form": "form fields", "text": "a text"}


def check_path(path: str) -> None:
    """Check a path, with its query or without."""
    if not path.startswith("/"):
        raise ValueError("Begin the path with a slash.")
    check_braces(path)
    try:
        check_url(f"https://rest.iad-01.braze.com{_without_names(path)}")
    except GuardError as e:
        raise ValueError(str(e).replace("address", "path")) from e


def check_query(query: Sequence[Sequence[str]]) -> None:
    """Check names and templates of a query."""
    for name, template in query:
        if not name or find(name) or "{{" in name:
            raise ValueError(
                f"“{name[:40]}” cannot be the name of a query parameter: a placeholder "
                "is a value only."
            )
        check_braces(template)


def check_headers(headers: Mapping[str, str]) -> None:
    """Check headers by themselves; `check_content_type` knows the body."""
    check_plain_headers({name: _without_names(text) for name, text in headers.items()})
    for name, text in headers.items():
        if name.lower() == "authorization":
            raise ValueError("Authorization comes from the connection's key.")
        check_braces(text)


def check_content_type(kind: str, headers: Mapping[str, str]) -> None:
    """Check that the header Content-Type says of the body what the body is."""
    for name, text in headers.items():
        if name.lower() == "content-type" and kind in bodies.CONTENT_TYPES:
            _check_content_type(kind, text)


def _check_content_type(kind: str, text: str) -> None:
    if find(text):
        raise ValueError(
            "Content-Type can have no placeholder: it says how values are written."
        )
    said = text.partition(";")[0].strip().lower()
    standard = bodies.CONTENT_TYPES[kind]
    if not _MEDIA_TYPE.fullmatch(said):
        raise ValueError(
            f"“{text[:40]}” is not a content type. Write {standard}, or take the "
            "header out."
        )
    if (other := bodies.kind_of(said)) and other != kind:
        raise ValueError(
            f"Content-Type says {said[:60]}, and the body is {_SAID[kind]}. Write "
            f"{standard}, or choose another kind of body."
        )
    if kind != "text" and not other:
        raise ValueError(
            f"Content-Type says {said[:60]}, and the body is {_SAID[kind]}. Write "
            f"{standard}, or choose the body Text."
        )


def check_body(kind: str, text: str, headers: Mapping[str, str]) -> JSON:
    """Return the tree of a body; what is raised is a BodyError with its place."""
    tree = bodies.parse(kind, text)
    bodies.compile_body(kind, tree, bodies.content_type(kind, headers))
    return tree


def _without_names(text: str) -> str:
    """A placeholder stands for one plain piece of a path or a header."""
    return "".join("x" if is_name else piece for piece, is_name in split_text(text))
