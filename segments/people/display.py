"""A person's data as people read it."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from segments.dictionary import catalog
from segments.models import Profile, Source

TOO_DEEP = "(nested too deeply to be shown)"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """`at` and `source`: when and where it was said; `typed`: as it came, if that differs.

    `at` is None for what was there before times were kept.
    """

    name: str
    value: Any
    text: str
    at: datetime | None
    source: str
    typed: str
    # Of its page in the dictionary; "" where it has none.
    entry: str = ""


def as_text(value: Any) -> str:
    """A JSON value on one line, a text as it is."""
    return value if isinstance(value, str) else as_json(value)


def as_json(value: Any, indent: int | None = None) -> str:
    """A JSON value as it is written; what is nested too deeply only says so."""
    try:
        return json.dumps(
            value, ensure_ascii=False, indent=indent, sort_keys=bool(indent)
        )
    except RecursionError:
        return TOO_DEEP


def as_pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values, in order of name."""
    return [(name, as_text(value)) for name, value in sorted(values.items())]


def attributes_of(person: Profile) -> list[Attribute]:
    """Each attribute, e-mail and phone among them, in order of name."""
    values = dict(person.attributes)
    values |= {"email": person.email} if person.email else {}
    values |= {"phone": person.phone} if person.phone else {}
    stamps = {name: _stamp(person.attribute_times, name) for name in values}
    sources = _sources(stamp[2] for stamp in stamps.values() if stamp)
    entries = catalog.pages_of_attributes(values)
    return [
        replace(
            _attribute(name, values[name], stamps[name], sources),
            entry=entries.get(name, ""),
        )
        for name in sorted(values)
    ]


def _stamp(times: Mapping[str, Any], name: str) -> list[Any] | None:
    """[µs since 1970, message ID, source's id, as typed]: segments.identity.values."""
    found = times.get(name) or times.get("")
    return found and found[:4]


def _sources(ids: Iterable[int]) -> dict[int, str]:
    wanted: Collection[int] = set(ids)
    return dict(Source.objects.filter(pk__in=wanted).values_list("pk", "name"))


def _attribute(
    name: str, value: Any, stamp: list[Any] | None, sources: Mapping[int, str]
) -> Attribute:
    if stamp is None:
        text = as_text(value)
        return Attribute(
            name=name, value=value, text=text, at=None, source="", typed=""
        )
    microseconds, _, source, *typed = stamp
    return Attribute(
        name=name,
        value=value,
        text=as_text(value),
        at=EPOCH + timedelta(microseconds=microseconds) if microseconds else None,
        source=sources.get(source, ""),
        typed=as_text(typed[0]) if typed and typed[0] is not None else "",
    )
