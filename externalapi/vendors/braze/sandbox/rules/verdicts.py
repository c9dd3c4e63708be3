"""What becomes of one request: its answer, and which of its objects are kept.

Pure. An endpoint that judges object by object answers with a count of those it has
taken and a list of those it has not; one that takes or refuses a request as a whole
names no counter.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.facts.contract import FatalAnswer, ObjectError

JsonObject = dict[str, object]
Arrays = dict[str, list[JsonObject]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """How an endpoint answers for the objects that it has taken.

    `counters` names the field of the answer that counts an array, `count` counts in a
    way of its own; `when_none` is the answer when no object is left (None: success all
    the same).
    """

    status: int = contract.SUCCESS_STATUS
    counters: Mapping[str, str] = field(default_factory=dict)
    count: Callable[[Arrays], JsonObject] | None = None
    when_none: FatalAnswer | None = None
    more: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to one request, and what of it is to be stored."""

    status: int
    answer: JsonObject
    accepted: Arrays = field(default_factory=dict)
    errors: list[JsonObject] = field(default_factory=list)
    refused: dict[str, list[int]] = field(default_factory=dict)
    counting: Counting = field(default_factory=Counting)
    headers: Mapping[str, str] = field(default_factory=dict)


def fatal(answer: FatalAnswer, errors: list[JsonObject] | None = None) -> Verdict:
    """Nothing is processed; `errors` names the objects at fault, where there are any."""
    body: JsonObject = {answer.key: answer.text}
    if errors:
        body["errors"] = errors
    return Verdict(
        status=answer.status,
        answer=body,
        errors=errors or [],
        refused=_by_array(errors or []),
    )


def counted(accepted: Arrays, errors: list[JsonObject], counting: Counting) -> Verdict:
    """The answer of an endpoint that takes some of the objects and not others."""
    if counting.when_none is not None and not any(accepted.values()):
        return fatal(counting.when_none, errors)
    answer: JsonObject = {}
    for name, items in accepted.items():
        counter = counting.counters.get(name)
        if counter is not None:
            answer[counter] = len(items) + _number(answer.get(counter, 0))
    if counting.count is not None:
        answer |= counting.count(accepted)
    answer |= counting.more
    if errors:
        answer["errors"] = errors
    answer["message"] = contract.SUCCESS_MESSAGE
    return Verdict(
        status=counting.status,
        answer=answer,
        accepted=accepted,
        errors=errors,
        refused=_by_array(errors),
        counting=counting,
    )


def sorted_out(
    items: list[JsonObject],
    error_in: Callable[[JsonObject], ObjectError | None],
    array: str,
    errors: list[JsonObject],
) -> list[JsonObject]:
    """The objects without an error; the others are added to the errors."""
    found = [*map(error_in, items)]
    if not any(found):
        return items
    errors += [
        {"type": error.sentence, "input_array": array, "index": index}
        for index, error in enumerate(found)
        if error is not None
    ]
    return [item for item, error in zip(items, found, strict=True) if error is None]


def refused_as_well(
    verdict: Verdict,
    arrays: Arrays,
    array: str,
    indexes: Sequence[int] | None,
    sentence: str,
) -> Verdict:
    """The verdict if Braze had also refused these objects (None: all of the array)."""
    items = arrays.get(array, [])
    known = verdict.refused.get(array, [])
    wanted = range(len(items)) if indexes is None else indexes
    named = [index for index in wanted if index < len(items) and index not in known]
    gone = {*known, *named}
    kept = [item for index, item in enumerate(items) if index not in gone]
    errors = list(verdict.errors)
    errors += [
        {"type": sentence, "input_array": array, "index": index} for index in named
    ]
    return counted({**verdict.accepted, array: kept}, errors, verdict.counting)


def arrays_in(body: object, names: Iterable[str]) -> Arrays:
    """The arrays of these names, also empty ones; {} when the body is no such thing."""
    if not isinstance(body, dict):
        return {}
    arrays = {name: body[name] for name in names if body.get(name) is not None}
    return arrays if all(isinstance(one, list) for one in arrays.values()) else {}


def _by_array(errors: Iterable[JsonObject]) -> dict[str, list[int]]:
    refused: dict[str, list[int]] = {}
    for error in errors:
        name, index = error["input_array"], error["index"]
        if isinstance(name, str) and isinstance(index, int):
            refused.setdefault(name, []).append(index)
    return refused


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
