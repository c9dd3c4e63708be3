"""A plan by the names of columns: for files that nobody looks at before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any
from zoneinfo import available_timezones as _available_timezones

from segments.imports.mapping import columns as cells
from segments.imports.mapping import messages, suggestions, types
from segments.imports.mapping.columns import Column
from segments.imports.mapping.messages import ColumnUse, Plan

available_timezones = cache(_available_timezones)
LEFT_OUT = "-"


class NamingError(ValueError):
    """What was said of the columns does not fit these; the message says what."""


def parse(text: str) -> dict[str, str]:
    """Read `Kundennr=external_id, Ort=attribute:city:text`: what each column becomes.

    Items stand between commas or on lines of their own. Raises NamingError.
    """
    said: dict[str, str] = {}
    for item in text.replace("\n", ",").split(","):
        if not item.strip():
            continue
        name, sign, use = item.rpartition("=")
        if not sign or not name.strip():
            raise NamingError(
                f"“{item.strip()[:60]}”: write it as column=use, such as id=external_id."
            )
        if name.strip() in said:
            raise NamingError(f"The column “{name.strip()}” is named twice.")
        said[name.strip()] = use.strip()
    return said


def plan(
    known: Sequence[Column],
    is_typed: bool,
    said: Mapping[str, str],
    settings: Mapping[str, Any],
) -> Plan:
    """The plan for a file's columns: as it was said, and as suggested where it was not.

    `said`: a column's name → external_id, anonymous_id, email, phone, time, event,
    message_id, `attribute:NAME:TYPE` (property with events; name and type may be left
    out), or "-" for nothing. `settings`: other fields of Plan. Raises NamingError.
    """
    makes = settings.get("makes", messages.PEOPLE)
    if makes not in messages.TARGETS:
        raise NamingError(f"“{makes}” is neither people nor events.")
    if settings.get("zone", "UTC") not in available_timezones():
        raise NamingError(
            f"“{settings['zone']}” is no time zone, such as Asia/Kolkata."
        )
    names = [column.name for column in known]
    if absent := [name for name in said if name not in names]:
        raise NamingError(
            f"There is no column “{absent[0]}”. There are: {', '.join(names)}."
        )
    uses = list(suggestions.suggest(known, is_typed, makes))
    taken = {use.partition(":")[0] for use in said.values()}
    for index, column in enumerate(known):
        if column.name in said:
            uses[index] = _use(said[column.name], column, is_typed, makes)
        elif uses[index].to in taken - set(messages.NAMED):
            uses[index] = ColumnUse(type=uses[index].type)
        elif not uses[index].to and settings.get("empty") == messages.CLEAR:
            # Nobody has it any more.
            uses[index] = _named(column, makes)
    made = Plan(columns=tuple(uses), **settings)
    for where, words in messages.problems_of(made, names).items():
        of = "" if where is None else f"{names[where]}: "
        raise NamingError(f"{of}{words}")
    return made


def _named(column: Column, makes: str) -> ColumnUse:
    to = messages.PROPERTY if makes == messages.EVENTS else messages.ATTRIBUTE
    name = suggestions.attribute_name(column.name)
    return ColumnUse(to=to, name=name) if name else ColumnUse()


def _use(said: str, column: Column, is_typed: bool, makes: str) -> ColumnUse:
    to, _, rest = said.partition(":")
    name, _, type = rest.partition(":")
    if to in ("", LEFT_OUT):
        return ColumnUse()
    if to not in messages.TARGETS[makes]:
        known = ", ".join(messages.TARGETS[makes])
        raise NamingError(f"{column.name}: “{to}” is none of {known}, or -.")
    if type and type not in types.LABELS:
        raise NamingError(
            f"{column.name}: “{type}” is no type; there are {', '.join(types.LABELS)}."
        )
    guess = cells.guess(column, is_typed)
    if not type and not guess.type and to in (*messages.NAMED, messages.TIME):
        raise NamingError(
            f"{column.name}: {guess.why} Say which: {said.rstrip(':')}"
            f"{'' if name or to == messages.TIME else ':' + column.name}:"
            f"{' or '.join(guess.open)}."
        )
    use = ColumnUse(to=to, type=type or guess.type or types.TEXT)
    if to in messages.NAMED:
        return replace(use, name=name or suggestions.attribute_name(column.name))
    return replace(use, type=type or name or use.type) if to == messages.TIME else use
