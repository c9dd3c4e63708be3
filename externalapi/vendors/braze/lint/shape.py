"""The shape of a request: its keys, and what is said of one that has another.

An error is what Braze refuses for certain, a warning what it takes in another way.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from externalapi.template.spans import Path
from externalapi.vendors.braze.lint.findings import Finding, Findings, error, warning
from externalapi.vendors.braze.lint.identifiers import constant, lint_alias
from externalapi.vendors.braze.lint.spelling import likely
from externalapi.vendors.braze.lint.template_values import (
    Unknown,
    Value,
    is_boolean,
    is_list,
    is_object,
    is_text,
    may_be_missing,
)

# What more is to be said of an object: (the object, its place, the page).
Rule: TypeAlias = Callable[[Mapping[str, Value], Path, str], Findings]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key's value: `kind` in words, with what fits it.

    `most` counts a list; `item` is each of its elements, `shape` what an object has.
    What is wrong with one that is not `is_certain` is a warning: nobody says that Braze
    refuses it. `is_person` marks what names one person: a constant is one for everybody.
    """

    kind: str
    fits: Callable[[Value], bool]
    is_required: bool = False
    is_person: bool = False
    allowed: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    longest: int | None = None
    most: int | None = None
    item: "Key | None" = None
    shape: "Shape | None" = None
    is_alias: bool = False
    is_certain: bool = True

    def wrong(self, path: Path, message: str, advice: str, page: str) -> Finding:
        say = error if self.is_certain else warning
        return say(path, message, advice, page)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """An object: an open one may have other keys, the customer's own."""

    keys: Mapping[str, Key]
    is_open: bool = False
    exactly_one: tuple[str, ...] = ()
    at_least_one: tuple[str, ...] = ()
    # Lists that are counted together, and how many they may have.
    together: tuple[str, ...] = ()
    most: int | None = None
    rules: tuple[Rule, ...] = field(default_factory=tuple)


def lint_shape(shape: Shape, item: Value, at: Path, page: str) -> Findings:
    """Yield what is to be said of a value that ought to be an object of this shape."""
    if isinstance(item, Unknown):
        return
    if not isinstance(item, dict):
        yield error(at, f"{_called(at)} is not an object.", "Write { … } here.", page)
        return
    for name in item:
        if name not in shape.keys and not shape.is_open:
            yield _unknown(name, shape, at, page)
    for name, key in shape.keys.items():
        yield from _key(name, key, item, at, page)
    yield from _choices(shape, item, at, page)
    yield from _counts(shape, item, at, page)
    for rule in shape.rules:
        yield from rule(item, at, page)


def is_given(value: Value) -> bool:
    """Whether there is something; an empty text or list is nothing to Braze."""
    return value not in (None, "", [], {})


def _called(at: Path) -> str:
    names = [part for part in at if isinstance(part, str)]
    return f"“{names[-1]}”" if names else "The body"


def _unknown(name: str, shape: Shape, at: Path, page: str) -> Finding:
    if name == "api_key":
        advice = (
            "Take it out: the connection signs in, and a key here is stored openly."
        )
    elif meant := likely(name, shape.keys) or likely(f"{name}s", shape.keys):
        advice = f"Did you mean “{meant}”?"
    else:
        advice = f"Braze reads {', '.join(shape.keys)}."
    return warning((*at, name), f"Braze ignores “{name}” here.", advice, page)


def _key(
    name: str, key: Key, item: Mapping[str, Value], at: Path, page: str
) -> Findings:
    value = item.get(name)
    path = (*at, name)
    if not is_given(value):
        if key.is_required:
            place = path if name in item else at
            advice = f"Add it: {key.kind}."
            yield error(
                place, f"“{name}” is missing; Braze refuses this.", advice, page
            )
    elif key.is_required and isinstance(value, Unknown) and may_be_missing(value):
        yield warning(
            path,
            f"Without a value for “{value.name}” Braze refuses this.",
            "Make the parameter required.",
            page,
        )
    else:
        yield from _value(name, key, value, path, page)


def _value(name: str, key: Key, value: Value, path: Path, page: str) -> Findings:
    if key.is_alias and not isinstance(value, Unknown):
        yield from lint_alias(value, path)
    elif not key.fits(value):
        advice = f"Write {key.kind} here."
        if isinstance(value, Unknown):
            advice = f"The parameter “{value.name}” is of the type {value.type.label}."
        yield key.wrong(path, f"“{name}” is {key.kind}.", advice, page)
    elif isinstance(value, list):
        yield from _items(name, key, value, path, page)
    elif isinstance(value, dict) and key.shape:
        yield from lint_shape(key.shape, value, path, page)
    elif isinstance(value, str):
        yield from _text(name, key, value, path, page)
    if key.is_person and not isinstance(value, Unknown | list | dict | None):
        yield constant(name, path, page)


def _items(name: str, key: Key, items: list[Value], path: Path, page: str) -> Findings:
    if key.most is not None and len(items) > key.most:
        yield too_many(path, len(items), key.most, page)
    for index, one in enumerate(items):
        if key.shape:
            yield from lint_shape(key.shape, one, (*path, index), page)
        elif key.item:
            yield from _value(name, key.item, one, (*path, index), page)


def _text(name: str, key: Key, value: str, path: Path, page: str) -> Findings:
    if key.allowed and value not in key.allowed:
        known = ", ".join(sorted(key.allowed))
        yield key.wrong(
            path, f"“{name}” cannot be “{value[:40]}”.", f"It is {known}.", page
        )
    if key.pattern and not key.pattern.fullmatch(value):
        yield key.wrong(
            path, f"“{value[:40]}” cannot be “{name}”.", f"It is {key.kind}.", page
        )
    if key.longest is not None and len(value) > key.longest:
        message = f"“{name}” has at most {key.longest} characters."
        yield key.wrong(path, message, "Shorten it.", page)


def too_many(path: Path, size: int, most: int, page: str) -> Finding:
    return error(
        path,
        f"There are {size}; Braze takes {most} in one request.",
        "Take some out: this is one person's body, people are put together later.",
        page,
    )


def _choices(shape: Shape, item: Mapping[str, Value], at: Path, page: str) -> Findings:
    names = shape.exactly_one or shape.at_least_one
    given = [name for name in names if is_given(item.get(name))]
    if names and not given:
        yield error(
            at,
            f"None of {', '.join(names)} is here; Braze refuses this.",
            "Add one of them.",
            page,
        )
    elif shape.exactly_one and len(given) > 1:
        yield error(
            (*at, given[1]),
            f"{' and '.join(given)} are here; Braze takes one of them.",
            f"Keep {given[0]} and take the other out.",
            page,
        )


def _counts(shape: Shape, item: Mapping[str, Value], at: Path, page: str) -> Findings:
    lists = [item.get(name) for name in shape.together]
    size = sum(len(one) for one in lists if isinstance(one, list))
    if shape.most is not None and size > shape.most:
        yield too_many(at, size, shape.most, page)


# Values


def _is_identifier(value: Value) -> bool:
    """Recorded requests have whole numbers, too."""
    return is_text(value) or isinstance(value, Unknown) or type(value) is int


def text(
    *,
    is_required: bool = False,
    allowed: frozenset[str] = frozenset(),
    pattern: re.Pattern[str] | None = None,
    longest: int | None = None,
    kind: str = "a text",
    is_certain: bool = True,
) -> Key:
    return Key(
        kind=kind,
        is_certain=is_certain,
        fits=is_text,
        is_required=is_required,
        allowed=allowed,
        pattern=pattern,
        longest=longest,
    )


def person(*, is_required: bool = False) -> Key:
    return Key(
        kind="a text", fits=_is_identifier, is_required=is_required, is_person=True
    )


def flag() -> Key:
    # The pages' own examples have the text "false".
    return Key(
        kind="true or false",
        is_certain=False,
        fits=lambda value: is_boolean(value) or value in ("true", "false"),
    )


def anything() -> Key:
    return Key(kind="a value", fits=lambda value: True)


def an_object(
    shape: Shape | None = None, *, is_required: bool = False, is_certain: bool = True
) -> Key:
    return Key(
        kind="an object",
        fits=is_object,
        shape=shape,
        is_required=is_required,
        is_certain=is_certain,
    )


def alias() -> Key:
    return Key(kind="a user alias", fits=is_object, is_alias=True)


def a_list(
    of: Shape | Key,
    *,
    most: int | None = None,
    is_required: bool = False,
    is_certain: bool = True,
) -> Key:
    return Key(
        kind="a list of objects" if isinstance(of, Shape) else "a list",
        fits=is_list,
        is_required=is_required,
        is_certain=is_certain,
        most=most,
        shape=of if isinstance(of, Shape) else None,
        item=of if isinstance(of, Key) else None,
    )
