"""What was understood of a pasted command or document: a definition not yet saved.

The secret stands apart: it belongs to a connection, and nothing else holds it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from externalapi.http.auth import Auth
from externalapi.template.parameters import Parameter, ParameterType
from lemnisk_braze.lib.json_types import JSON


class PasteError(ValueError):
    """What was pasted cannot become an External API; the text says what to do."""


class BodyKind(StrEnum):
    JSON = "json"
    FORM = "form"
    TEXT = "text"
    NONE = "none"


class Place(StrEnum):
    PATH = "path"
    QUERY = "query"
    HEADERS = "headers"
    BODY = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A value that may become a parameter, everywhere it stands under this name."""

    name: str
    text: str
    places: tuple[Place, ...]
    type: ParameterType = ParameterType.TEXT
    # Whether it reads like a gap to be filled (<user_id>), not like a value.
    is_gap: bool = False
    is_identifier: bool = False
    # A document says it has to be sent; it cannot be left out.
    is_required: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A definition as pasted: `query` in order, `body` a text whatever its kind.

    Headers and values are as they were; a form's body is an object of its fields.
    `auth_name` names the header or the query field of the secret, `username` is of
    basic, `token_url`, `client_id` and `scope` of OAuth 2; `secret` is empty where
    there was none, or only a word for it. `notes` say what was left out or changed,
    and why.
    """

    name: str = ""
    description: str = ""
    method: str
    base_url: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    body_kind: BodyKind = BodyKind.NONE
    auth: Auth = Auth.NONE
    auth_name: str = ""
    username: str = ""
    token_url: str = ""
    client_id: str = ""
    scope: str = ""
    secret: str = field(default="", repr=False)
    # Every secret as it is written in what was pasted, to be taken out of it.
    secrets: tuple[str, ...] = field(default=(), repr=False)
    parameters: tuple[Parameter, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """A definition with what was picked as parameters, and all that can be picked."""

    found: Imported
    offered: tuple[Suggestion, ...] = ()
    picked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request that a document describes; `key` finds it again."""

    key: str
    method: str
    path: str
    title: str = ""
    group: str = ""


class Document(Protocol):
    """A pasted document of many requests."""

    @property
    def kind(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def operations(self) -> tuple[Operation, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...

    def shortened(self) -> Mapping[str, JSON]:
        """Return what may be shown and taken along: no key, nothing of answers."""

    def understand(
        self, key: str, picked: Collection[str] | None, known: Collection[str]
    ) -> Understood:
        """Return one operation with what was picked; None: what it asks for itself.

        `known` are base URLs of connections: of several servers, one of them is
        taken. Raises PasteError.
        """


def short(text: str) -> str:
    """The beginning of a text, for a sentence about it."""
    return f"{text[:60]}…" if len(text) > 60 else text
