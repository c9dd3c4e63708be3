"""What goes out and what comes back: a request, its answer, and why there is none.

    TransportError            no answer; `timing` says how far the request got
    ├── NotSentError          the other side cannot have taken the request
    │   └── BlockedAddressError   we refuse to send it: fix the definition
    └── AmbiguousError        all of it was written, and nobody knows the rest

A connection lost in the middle of the answer's body is an Answer that is truncated:
the status is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from externalapi.http.answer_rules import BRAZE, AnswerRules
from externalapi.http.auth import BEARER, SignIn
from externalapi.http.wire import Timing

NO_TIMING = Timing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, complete but for the key.

    `sign_in` says where the key goes, `timeout_seconds` how long the whole exchange
    may take (None: as long as the settings allow), and `rules` how to read the answer.
    `items` counts the objects in each array of the body (None: nobody knows).
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    sign_in: SignIn = BEARER
    timeout_seconds: float | None = None
    rules: AnswerRules = BRAZE
    items: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: names of headers in lower case, at most 64 KB of the body, UTF-8.

    It is read by the rules of the request that it answers, and can name its `items`.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False
    duration_ms: int = 0
    timing: Timing = NO_TIMING
    rules: AnswerRules = BRAZE
    items: Mapping[str, int] | None = None


class TransportError(Exception):
    """No answer came back; `timing` says how far the request got."""

    def __init__(
        self, message: str, duration_ms: int = 0, timing: Timing = NO_TIMING
    ) -> None:
        super().__init__(message)
        self.duration_ms = duration_ms
        self.timing = timing


class NotSentError(TransportError):
    """The other side cannot have taken the request: sending it again is safe."""


class BlockedAddressError(NotSentError):
    """The guard refuses the request: only a change of the definition helps."""


class AmbiguousError(TransportError):
    """The whole request was written and no answer came: it may have been taken."""
