"""The errors of an answer: which object of the request each names, and its words.

An error can be used where it names an object that the request had: one of its arrays
(or none, where the body had only one) and a place in it. All others say that something
is wrong, and nobody knows with whom.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from externalapi.http.answer_rules import AnswerRules
from externalapi.http.messages import Answer
from lemnisk_braze.lib.json_types import JSON

# Where an API that says nothing else has its words.
_WORDS = ("message", "type", "error", "reason", "detail", "description", "code")
WORDLESS = "An error without words."


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemError:
    """The other side's own words about one object of the request."""

    array: str
    index: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """What an answer's errors say: of these objects, and of nobody in particular."""

    named: tuple[ItemError, ...] = ()
    nameless: tuple[str, ...] = ()


def read_errors(body: JSON, answer: Answer) -> Errors:
    """Return the errors of an answer whose body reads as `body`."""
    rules = answer.rules
    listed = at(body, rules.errors_path) if rules.errors_path else None
    if not listed:
        return Errors()
    named: list[ItemError] = []
    nameless: list[str] = []
    for entry in listed if isinstance(listed, list) else [listed]:
        error = _named(entry, answer)
        if error is None:
            nameless.append(_nameless(entry, rules))
        else:
            named.append(error)
    return Errors(named=tuple(named), nameless=tuple(dict.fromkeys(nameless)))


def at(body: JSON, path: Sequence[str]) -> JSON:
    """Return what stands at the path, None where it leads nowhere."""
    for part in path:
        if isinstance(body, dict):
            body = body.get(part)
        elif isinstance(body, list) and part.isdecimal() and int(part) < len(body):
            body = body[int(part)]
        else:
            return None
    return body


def words(entry: JSON) -> str:
    """Return what somebody says in a text, in an object with one, or in any JSON."""
    if isinstance(entry, dict):
        entry = next((said for name in _WORDS if (said := entry.get(name))), entry)
    if entry in (None, "", [], {}):
        return ""
    return entry if isinstance(entry, str) else orjson.dumps(entry).decode()


def _named(entry: JSON, answer: Answer) -> ItemError | None:
    """The error, where it names an object of the request."""
    rules = answer.rules
    if isinstance(entry, list) and len(entry) == 2:
        # [index, words], as Braze's renames have it.
        array, place, said = None, entry[0], entry[1]
    elif isinstance(entry, dict):
        array = _field(entry, rules.errors_array)
        place = _field(entry, rules.errors_index)
        said = _field(entry, rules.errors_message) or entry
    else:
        return None
    index = _index(place)
    own = _array(array, answer)
    if own is None or index is None:
        return None
    if answer.items is not None and index >= answer.items.get(own, 0):
        return None
    return ItemError(array=own, index=index, message=words(said) or WORDLESS)


def _field(entry: dict[str, JSON], name: str) -> JSON:
    """What a rule's name means in an entry: a key, or a path of keys."""
    if not name:
        return None
    return entry[name] if name in entry else at(entry, name.split("."))


def _array(name: JSON, answer: Answer) -> str | None:
    """The array that is meant: an error without a name means the only one."""
    if isinstance(name, str) and name not in ("", *answer.rules.nameless_arrays):
        return name
    if not (name is None or isinstance(name, str)) or answer.items is None:
        return None
    own = [array for array, count in answer.items.items() if count]
    return own[0] if len(own) == 1 else None


def _index(place: JSON) -> int | None:
    """A place counted from 0, also as the text "1" or the number 1.0."""
    if isinstance(place, str) and place.isascii() and place.isdecimal():
        return int(place) if len(place) < 10 else None
    if isinstance(place, float) and place.is_integer():
        place = int(place)
    if type(place) is not int or place < 0:
        return None
    return place


def _nameless(entry: JSON, rules: AnswerRules) -> str:
    """The words of an error that names nobody, with whom it meant to name."""
    if not isinstance(entry, dict):
        return words(entry) or WORDLESS
    said = words(_field(entry, rules.errors_message)) or words(entry) or WORDLESS
    meant = "".join(_meant(entry, rules))
    return f"{meant}: {said}" if meant else said


def _meant(entry: dict[str, JSON], rules: AnswerRules) -> Iterator[str]:
    array = _field(entry, rules.errors_array)
    index = _field(entry, rules.errors_index)
    if array not in (None, ""):
        yield words(array)
    if index is not None:
        yield f"[{words(index) or index}]"
