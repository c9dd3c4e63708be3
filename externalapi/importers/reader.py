"""A pasted text, understood: a command, or one request of a document."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from externalapi.importers.common.redaction import without_secrets
from externalapi.importers.common.suggestions import accept, suggest
from externalapi.importers.common.types import Document, PasteError, Understood
from externalapi.importers.curl.command import read_curl
from externalapi.importers.detect import MAX_CHARS, is_document, read_document, shown
from externalapi.importers.openapi.document import OpenAPIDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Pasted:
    """What a text is; `text` is it without its keys.

    Of a document nothing is `understood` until one of its requests is chosen; where
    that one cannot be taken, `problem` says why.
    """

    text: str
    document: Document | None = None
    operation: str = ""
    understood: Understood | None = None
    problem: str = ""

    @property
    def is_described(self) -> bool:
        """Whether what is not picked is left out, not sent as it is written."""
        return isinstance(self.document, OpenAPIDocument)


def read(
    text: str,
    operation: str = "",
    picked: Collection[str] | None = None,
    known: Collection[str] = (),
) -> Pasted:
    """Return what a text is; the rest is as for Document.understand.

    Raises PasteError where it is nothing that can be read.
    """
    if not is_document(text):
        return _command(text, picked)
    document = read_document(text)
    kept = shown(document, text)
    if operation not in {one.key for one in document.operations}:
        return Pasted(text=kept, document=document)
    chosen = Pasted(text=kept, document=document, operation=operation)
    try:
        understood = document.understand(operation, picked, known)
    except PasteError as e:
        return replace(chosen, problem=str(e))
    return replace(chosen, understood=understood)


def decoded(raw: bytes) -> str:
    """Return a file's text; raises PasteError."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise PasteError(
            "The file is not a text in UTF-8. Choose the JSON file that was exported."
        ) from e


def check_length(text: str) -> None:
    if len(text) > MAX_CHARS:
        raise PasteError(
            f"This is longer than {MAX_CHARS:,} characters. Choose it as a file: what "
            "it says about answers is taken out first."
        )


def _command(text: str, picked: Collection[str] | None) -> Pasted:
    command = read_curl(text)
    offered = suggest(command)
    if picked is None:
        picked = {one.name for one in offered if one.is_gap or one.is_identifier}
    understood = Understood(
        found=accept(command, picked), offered=offered, picked=frozenset(picked)
    )
    return Pasted(text=without_secrets(text, command), understood=understood)
