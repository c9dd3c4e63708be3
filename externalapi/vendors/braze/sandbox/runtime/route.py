"""What an endpoint is to the sandbox: its facts, how it judges, what it changes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.facts.contract import FatalAnswer
from externalapi.vendors.braze.facts.endpoints import Endpoint
from externalapi.vendors.braze.sandbox.rules.verdicts import Arrays, JsonObject, Verdict
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users.store import Store

Params = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that was let in: `params` are of its path, `query` of its address."""

    at: float
    raw: bytes
    body: object
    params: Params
    query: Sequence[tuple[str, str]]
    arrays: Arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """An accepted request that is now applied; `arrays` are without what was refused."""

    at: datetime
    raw: bytes
    body: JsonObject
    params: Params
    arrays: Arrays


Read = Callable[[object, Params], Arrays]
Judge = Callable[[Asked, Workspace], Verdict]
Apply = Callable[[Store, Arrived], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`read` finds the objects of a body, `judge` answers, `apply` changes the people.

    `answer_after` is for the few endpoints that answer with what they have done;
    `audience_of` names the audience of a request that is a broadcast (else None).
    """

    endpoint: Endpoint
    read: Read
    judge: Judge
    apply: Apply | None = None
    answer_after: Callable[[Asked, Verdict, Store], JsonObject] | None = None
    audience_of: Callable[[object], str | None] | None = None
    max_bytes: int = contract.MAX_BODY_BYTES
    too_large: FatalAnswer = contract.BODY_TOO_LARGE
