"""Where else somebody can be deleted: the app above knows the External APIs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from segments.naming import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one request: words for people, and whether it has to be tried again.

    `is_done`: the other side has taken it.
    """

    words: str
    is_done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """`choices`: (id, name) of what a user may choose; None: a command, which may all.

    `delete`: by external ID.
    """

    choices: Callable[[User | None], Sequence[tuple[int, str]]]
    delete: Callable[[int, str], Answer]


_registered: list[Elsewhere] = []


def register(elsewhere: Elsewhere) -> None:
    """Called once, when the app above is ready."""
    _registered.append(elsewhere)


def choices(user: User | None) -> list[tuple[int, str]]:
    return [choice for one in _registered for choice in one.choices(user)]


def delete(api_id: int, external_id: str) -> Answer:
    """Ask for the deletion of one person; does not raise."""
    for one in _registered:
        return one.delete(api_id, external_id)
    return Answer(words="There is no External API any more.", is_done=False)
