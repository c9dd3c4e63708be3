"""What was understood of a pasted command or document: a definition not yet saved.

The secret stands apart: it belongs to a connection, and nothing else holds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from externalapi.parameters import Parameter, ParameterType
from externalapi.sign_in import Auth


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A definition as pasted: `query` in order, `body` a text whatever its kind.

    Headers and values are as they were; a form's body is an object of its fields. `auth_name` names the header
    or the query field of the secret, `username` is of basic; `secret` is empty where
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
    secret: str = field(default="", repr=False)
    # Every secret as it is written in what was pasted, to be taken out of it.
    secrets: tuple[str, ...] = field(default=(), repr=False)
    parameters: tuple[Parameter, ...] = ()
    notes: tuple[str, ...] = ()


def short(text: str) -> str:
    """The beginning of a text, for a sentence about it."""
    return f"{text[:60]}…" if len(text) > 60 else text
