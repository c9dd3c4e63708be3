"""Rows as messages of a source: identify for people, track for events.

A message's ID is the import's with the line, so the same row is the same message; with
its zeros a later line has the larger one, and wins where two rows say other things of
one person at one time.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from lemnisk_braze.lib.names import is_one_line, visible
from segments.contact import are_kept, as_email
from segments.identity import calls
from segments.imports.mapping import at_once, types
from segments.imports.reading.rows import MISSING, Row
from segments.tracking import request_body, validation
from segments.tracking.errors import RefusedError

Message = tuple[str, str, dict[str, Any]]
# (line, what is wrong, the row's cells)
Problem = tuple[int, str, list[Any]]

PEOPLE, EVENTS = "people", "events"
KEEP, CLEAR = "keep", "clear"
EXTERNAL_ID, ANONYMOUS_ID = "external_id", "anonymous_id"
EMAIL, PHONE, ATTRIBUTE = "email", "phone", "attribute"
EVENT, TIME, MESSAGE_ID, PROPERTY = "event", "time", "message_id", "property"
# What names a person by itself; e-mail and phone do where the settings let them join.
NAMING = (EXTERNAL_ID, ANONYMOUS_ID)
CONTACTS = (EMAIL, PHONE)
TARGETS: Mapping[str, Mapping[str, str]] = {
    PEOPLE: {
        EXTERNAL_ID: "External ID",
        EMAIL: "E-mail",
        PHONE: "Phone",
        ANONYMOUS_ID: "Anonymous ID",
        ATTRIBUTE: "Attribute",
        TIME: "When it was so",
    },
    EVENTS: {
        EXTERNAL_ID: "External ID",
        ANONYMOUS_ID: "Anonymous ID",
        EVENT: "Name of the event",
        TIME: "Time of the event",
        MESSAGE_ID: "ID of the event",
        PROPERTY: "Property",
    },
}
NAMED = (ATTRIBUTE, PROPERTY)
_IDS = ((EXTERNAL_ID, "userId"), (ANONYMOUS_ID, "anonymousId"))
LIMITS = {
    EXTERNAL_ID: validation.MAX_USER_ID,
    ANONYMOUS_ID: validation.MAX_NAME,
    EMAIL: validation.MAX_EMAIL,
    PHONE: validation.MAX_PHONE,
    EVENT: validation.MAX_NAME,
    MESSAGE_ID: validation.MAX_NAME,
}
# Shorter rows are no message that is too large, whatever is in them.
SMALL_ROW = 4_000
# What takes no room at an end; strip() knows the rest of what is white.
_UNSEEN = "".join(
    map(chr, (0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnUse:
    """What a column becomes: one of TARGETS, or "" for nothing; `name` where it has one."""

    to: str = ""
    name: str = ""
    type: str = types.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What somebody decided of a file: a use for each column, and what goes for all."""

    columns: tuple[ColumnUse, ...] = ()
    makes: str = PEOPLE
    event: str = ""
    empty: str = KEEP
    zone: str = "UTC"
    country: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Plan":
        columns = tuple(ColumnUse(**column) for column in value.get("columns", ()))
        return cls(**{**value, "columns": columns})


def problems_of(plan: Plan, labels: Sequence[str]) -> dict[int | None, str]:
    """What is wrong with a plan, by the index of the column; None: with all of it."""
    found: dict[int | None, str] = {}
    seen: dict[str, int] = {}
    for index, use in enumerate(plan.columns):
        if use.to and (words := _problem_of(use)):
            found[index] = words
        key = _key(use)
        if use.to and key in seen:
            found.setdefault(
                index, f"The column “{labels[seen[key]]}” already becomes the same."
            )
        seen.setdefault(key, index)
    used = {use.to for use in plan.columns}
    naming = {*NAMING, *CONTACTS} if plan.makes == PEOPLE else {*NAMING}
    if not used & naming:
        found[None] = (
            "Say which column names the person: by external ID, anonymous ID, e-mail"
            " or phone."
            if plan.makes == PEOPLE
            else "Say which column has the external ID or the anonymous ID."
        )
    elif plan.makes == EVENTS and EVENT not in used and not plan.event.strip():
        found[None] = "Say what the event is called, or which column says it."
    elif sum(use.to in NAMED for use in plan.columns) > validation.MAX_ATTRIBUTES:
        most = validation.MAX_ATTRIBUTES
        found[None] = f"At most {most} columns can become attributes or properties."
    return found


class Writer:
    """Makes messages of rows, as a plan says.

    `prefix` begins the messages' IDs. `at`: the time of rows that have none of their
    own, or one that is still to come.
    """

    def __init__(self, plan: Plan, prefix: str, at: datetime) -> None:
        self._prefix, self._at = prefix, at
        self._at_text = at.astimezone(UTC).isoformat()
        self._latest = at + timedelta(days=1)
        self._clears = plan.empty == CLEAR
        self._is_events = plan.makes == EVENTS
        self._event = plan.event.strip()
        self._country = plan.country
        self._zone = ZoneInfo(plan.zone)
        how = types.How(zone=self._zone)
        self._special = {
            use.to: (index, types.converter(use.type, how))
            for index, use in enumerate(plan.columns)
            if use.to and use.to not in NAMED
        }
        self._rules = calls.Rules.from_settings()
        # None: the cell as it is.
        self._fields = [
            (index, use.name.strip(), use.type, _converter(use.type, how))
            for index, use in enumerate(plan.columns)
            if use.to in NAMED
        ]

    @property
    def numbers_its_rows(self) -> bool:
        """Whether all of the messages' IDs are the import's own."""
        return MESSAGE_ID not in self._special

    def messages(self, rows: Iterable[Row]) -> tuple[list[Message], list[Problem]]:
        """The messages of good rows, and why the others are none."""
        rows = list(rows)
        try:
            return self._at_once(rows), []
        except (ValueError, RefusedError):
            return self._one_by_one(rows)

    def _at_once(self, rows: Sequence[Row]) -> list[Message]:
        """The messages of rows that all are good; ValueError, or RefusedError, if not."""
        if self._is_events or TIME in self._special:
            raise ValueError("each of them is looked at by itself")
        if not rows:
            return []
        lines, cells, problems = zip(*rows, strict=True)
        if any(problems):
            raise ValueError("one of them has a problem already")
        columns = list(zip(*cells, strict=True))
        names = [name for target, name in _IDS if target in self._special]
        ids = [
            at_once.texts(columns[self._special[target][0]], LIMITS[target])
            for target, _ in _IDS
            if target in self._special
        ]
        payloads: Iterable[dict[str, Any]]
        at, values = self._at_text, self._all_values(columns)
        if len(ids) == 1 and all(ids[0]):
            name = names[0]
            payloads = (
                {"timestamp": at, name: text, "traits": traits}
                for text, traits in zip(ids[0], values, strict=True)
            )
        else:
            payloads = map(partial(self._named, names), values, *ids)
        prefix = self._prefix
        made = [
            (f"{prefix}{line:010}", "identify", payload)
            for line, payload in zip(lines, payloads, strict=True)
        ]
        self._check_sizes(columns, made, cells)
        return made

    def _named(
        self, names: Sequence[str], traits: dict[str, Any], *ids: str
    ) -> dict[str, Any]:
        """The payload of who has these traits, and those of the IDs that are not empty."""
        payload: dict[str, Any] = {"timestamp": self._at_text}
        for name, text in zip(names, ids, strict=True):
            if text:
                payload[name] = text
        payload["traits"] = traits
        if len(payload) == 2:
            self._check_is_named(payload)
        return payload

    def _check_sizes(
        self,
        columns: Sequence[Sequence[Any]],
        made: Sequence[Message],
        rows: Sequence[list[Any]],
    ) -> None:
        if at_once.are_short(rows, SMALL_ROW):
            return
        used = [*(f[0] for f in self._fields), *(i for i, _ in self._special.values())]
        if sum(max(map(len, columns[index])) for index in used) > SMALL_ROW:
            for (*_, payload), cells in zip(made, rows, strict=True):
                _check_size(payload, cells)

    def _all_values(self, columns: Sequence[Sequence[Any]]) -> Iterable[dict[str, Any]]:
        """The traits of each row."""
        empty = None if self._clears else MISSING
        names, values = [], []
        has_gaps = False
        for index, name, type, convert in self._fields:
            found, has_empty = at_once.values(
                columns[index], type, convert, clean, empty
            )
            names.append(name)
            values.append(found)
            has_gaps |= has_empty
        for target in CONTACTS:
            if target in self._special:
                names.append(target)
                cells = at_once.texts(columns[self._special[target][0]], LIMITS[target])
                values.append(self._contacts(target, cells, empty))
                has_gaps |= not all(cells)
        if not names:
            return ({} for _ in columns[0])
        rows = zip(*values, strict=True)
        if has_gaps and not self._clears:
            return (
                {n: v for n, v in zip(names, row, strict=True) if v is not MISSING}
                for row in rows
            )
        # Each row has as many as there are names: to have it checked takes longer.
        return (dict(zip(names, row, strict=False)) for row in rows)

    def _contacts(self, target: str, cells: list[str], empty: object) -> list[Any]:
        if "" not in cells and are_kept(target, cells):
            return cells
        return [self._contact(target, cell) if cell else empty for cell in cells]

    def _one_by_one(self, rows: Iterable[Row]) -> tuple[list[Message], list[Problem]]:
        made: list[Message] = []
        problems: list[Problem] = []
        for line, cells, problem in rows:
            if problem:
                problems.append((line, problem, cells))
                continue
            try:
                made.append(self._message(line, cells))
            except ValueError as e:
                problems.append((line, _sentence(str(e)), cells))
            except RefusedError as e:
                problems.append((line, e.message, cells))
        return made, problems

    def _message(self, line: int, cells: list[Any]) -> Message:
        payload: dict[str, Any] = {"timestamp": self._timestamp(cells)}
        for target, name in _IDS:
            if (value := self._identifier(target, cells)) is not None:
                payload[name] = value
        fields = self._values(cells)
        message_id = f"{self._prefix}{line:010}"
        if self._is_events:
            payload["event"] = self._identifier(EVENT, cells) or self._event
            if not payload["event"]:
                raise ValueError("The name of the event is empty")
            payload["properties"] = fields
            message_id = self._identifier(MESSAGE_ID, cells) or message_id
        else:
            self._add_contacts(fields, cells)
            payload["traits"] = fields
        self._check_is_named(payload)
        _check_size(payload, cells)
        return message_id, "track" if self._is_events else "identify", payload

    def _check_is_named(self, payload: dict[str, Any]) -> None:
        if "userId" in payload or "anonymousId" in payload:
            return
        traits = payload.get("traits") or {}
        if not any(traits.get(contact) for contact in CONTACTS):
            raise ValueError("It names nobody: what could say who it is, is empty")
        try:
            calls.read("identify", payload, self._rules)
        except ValueError as e:
            raise ValueError(
                "It names nobody: its e-mail or phone is none that people are known by"
            ) from e

    def _values(self, cells: list[Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for index, name, type, convert in self._fields:
            cell = cells[index]
            if cell.__class__ is str:
                cell = cell.strip() if cell.isascii() else clean(cell)
            if cell is None or cell == "":
                if self._clears:
                    values[name] = None
            elif cell is MISSING:
                continue
            elif convert is None or (type == types.JSON and _is_json(cell)):
                values[name] = cell
            else:
                try:
                    values[name] = convert(cell if cell.__class__ is str else str(cell))
                except ValueError as e:
                    raise ValueError(f"{name}: {e}") from e
        return values

    def _add_contacts(self, traits: dict[str, Any], cells: list[Any]) -> None:
        for target in CONTACTS:
            if target not in self._special:
                continue
            value = self._identifier(target, cells)
            if value is not None:
                value = self._contact(target, value)
            if value is not None or (self._clears and self._is_empty(target, cells)):
                traits[target] = value

    def _contact(self, target: str, text: str) -> str:
        return (
            as_email(text) if target == EMAIL else types.as_phone(text, self._country)
        )

    def _is_empty(self, target: str, cells: list[Any]) -> bool:
        return cells[self._special[target][0]] is not MISSING

    def _identifier(self, target: str, cells: list[Any]) -> str | None:
        """A cell that names something: one line of visible characters, NFC."""
        if target not in self._special:
            return None
        cell = cells[self._special[target][0]]
        if isinstance(cell, int) and not isinstance(cell, bool):
            cell = str(cell)
        if cell is None or cell is MISSING:
            return None
        if not isinstance(cell, str):
            raise ValueError(f"{_label(target)}: “{cell}” is neither a text nor whole")
        text = cell.strip() if cell.isascii() else visible(clean(cell)).strip()
        if not text:
            return None
        if not is_one_line(text):
            raise ValueError(f"{_label(target)}: it is more than one line")
        if wrong := types.rounded(text):
            raise ValueError(f"{_label(target)}: {wrong}")
        if len(text.encode()) > LIMITS[target]:
            raise ValueError(f"{_label(target)}: it has over {LIMITS[target]} bytes")
        return text

    def _timestamp(self, cells: list[Any]) -> str:
        if TIME not in self._special:
            return self._at_text
        index, convert = self._special[TIME]
        cell = cells[index]
        text = clean(cell) if isinstance(cell, str) else ""
        if not text:
            if self._is_events:
                raise ValueError("The time of the event is empty")
            return self._at_text
        try:
            at = datetime.fromisoformat(str(convert(text)))
        except ValueError as e:
            raise ValueError(f"{_label(TIME)}: {e}") from e
        at = at if at.tzinfo else at.replace(tzinfo=self._zone)
        return self._bounded(at.astimezone(UTC)).isoformat()

    def _bounded(self, at: datetime) -> datetime:
        if self._is_events and not validation.EARLIEST <= at <= self._latest:
            raise ValueError("The time is between the year 2000 and tomorrow")
        # What will be so later does not win over what is so now.
        return (
            min(max(at, validation.EARLIEST), self._at) if not self._is_events else at
        )


def clean(text: str) -> str:
    """The text in NFC, without what nobody sees at its ends."""
    left = unicodedata.normalize("NFC", text)
    while left != (trimmed := left.strip().strip(_UNSEEN)):
        left = trimmed
    return left


def _converter(type: str, how: types.How) -> types.Convert | None:
    return None if type in (types.TEXT, types.AS_IS) else types.converter(type, how)


def _is_json(cell: object) -> bool:
    """Whether it is a list or an object already, in a file that has some."""
    return isinstance(cell, list | dict)


def _check_size(payload: dict[str, Any], cells: list[Any]) -> None:
    """Raise a RefusedError for what the door would not take either."""
    is_plain = all(cell.__class__ is str for cell in cells)
    if not is_plain or sum(map(len, cells)) > SMALL_ROW:
        request_body.check_storable(payload)


def _problem_of(use: ColumnUse) -> str:
    if use.to in NAMED:
        name = use.name.strip()
        if not name or len(name) > validation.MAX_NAME or not is_one_line(name):
            return f"Give it a name of 1 to {validation.MAX_NAME} visible characters."
    if use.to in (*NAMED, TIME) and not use.type:
        return "Say which of the two it is: its cells leave it open."
    if use.type and use.type not in types.LABELS:
        return "This is no type."
    return ""


def _key(use: ColumnUse) -> str:
    """Two columns with the same one would overwrite each other."""
    if use.to in NAMED:
        return use.name.strip()
    return f"\0{use.to}" if use.to not in CONTACTS else use.to


def _label(target: str) -> str:
    return TARGETS[PEOPLE].get(target) or TARGETS[EVENTS][target]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text[-1:] not in ".!?" else text
