"""What was pasted: a curl command, or a document of many requests, and which kind."""

import re
from collections.abc import Mapping

import orjson

from externalapi.importers.common.json_reader import object_at, read_json
from externalapi.importers.common.types import Document, PasteError
from externalapi.importers.openapi.document import read_openapi
from externalapi.importers.postman.collection import PostmanDocument, read_postman
from lemnisk_braze.lib.json_types import JSON

# What a page takes along from step to step; and a file, which is shortened first.
MAX_CHARS = 2_000_000
MAX_FILE_BYTES = 20_000_000

_YAML = re.compile(r"(?m)^(---|%YAML.*|[\"']?(openapi|swagger)[\"']?\s*:)")
_ONE_OF_BOTH = (
    "This JSON is neither an OpenAPI 3 document (it would begin with “openapi”) nor a "
    "Postman collection (it would have “info” and “item”)."
)


def is_document(text: str) -> bool:
    """Whether a pasted text is a document, not a command."""
    begin = text.lstrip("\ufeff \t\r\n")[:2000]
    return begin[:1] in ("{", "[") or bool(_YAML.match(begin))


def read_document(text: str) -> Document:
    """Return an OpenAPI 3 document or a Postman collection.

    PasteError says what cannot be read, where, and what to do.
    """
    text = text.lstrip("\ufeff \t\r\n")
    if _YAML.match(text):
        raise PasteError(
            "This is YAML. Save it as JSON and paste that: editor.swagger.io does it "
            "with File, Convert and save as JSON."
        )
    root = read_json(text)
    if isinstance(root, dict) and isinstance(root.get("collection"), dict):
        # As Postman's own API gives it.
        root = root["collection"]
    if not isinstance(root, dict):
        raise PasteError(_ONE_OF_BOTH)
    return _read(object_at(root, "#"))


def shown(document: Document, text: str) -> str:
    """Return the document as it is shown and taken along; no key is in it.

    A text that has none stays as it is. Raises PasteError where it is too large.
    """
    if not isinstance(document, PostmanDocument) and len(text.encode()) <= MAX_CHARS:
        return text
    tree = document.shortened()
    text = orjson.dumps(tree, option=orjson.OPT_INDENT_2).decode()
    if len(text) > MAX_CHARS:
        text = orjson.dumps(tree).decode()
    if len(text.encode()) > MAX_CHARS:
        raise PasteError(
            "The document is too large, even without its answers. Take out the parts "
            "that you do not need, or paste one request as a curl command."
        )
    return text


def _read(root: Mapping[str, JSON]) -> Document:
    version = root.get("openapi")
    if isinstance(version, str) and version.startswith("3."):
        return read_openapi(root)
    if "swagger" in root or version is not None:
        raise PasteError(
            "This is not OpenAPI 3 but an older or newer version. editor.swagger.io "
            "converts Swagger 2.0: Edit, Convert to OpenAPI 3."
        )
    if "item" in root:
        return read_postman(root)
    if "requests" in root and "order" in root:
        raise PasteError(
            "This is a Postman collection of version 1. Export it as Collection v2.1."
        )
    raise PasteError(_ONE_OF_BOTH)
