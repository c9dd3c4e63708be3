"""What a call says of who it is about.

`subject` is whose call it is: the external ID where there is one, else the first of
anonymous ID, other identifiers in order of trust, e-mail and phone. `others` were said
of the same person. A placeholder, such as "undefined", is what a program sends that
knows nobody: it names nobody, and a call that has nothing else is nobody's.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from django.conf import settings

from segments.contact import INTERNATIONAL, as_email, as_phone
from segments.models import Identifier

# (kind, value)
Key: TypeAlias = tuple[str, str]

EXTERNAL_ID = Identifier.Kind.EXTERNAL_ID.value
ANONYMOUS_ID = Identifier.Kind.ANONYMOUS_ID.value
PLACEHOLDER = Identifier.Kind.PLACEHOLDER.value
EMAIL, PHONE = Identifier.Kind.EMAIL.value, Identifier.Kind.PHONE.value
CONTACTS = {EMAIL: as_email, PHONE: as_phone}
# In IDENTITY_JOINS: all kinds that are not named there, nor known to us.
OTHERS = "*"
ALIAS = "alias"
_KNOWN_KINDS = frozenset(Identifier.Kind.values)
# {{ id }}, {% id %}, ${id}, #{id}, <%= id %>, [[id]], %id% and *|ID|*.
_TEMPLATE = re.compile(
    r"\{\{.*\}\}|\{%.*%\}|[$#]\{.*\}|<%.*%>|\[\[.*\]\]|%.+%|\*\|.*\|\*"
)
_ENDS_OF_TEMPLATES = ("}", ">", "]", "%", "*")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which kinds of identifiers join people, in order of trust; and what names nobody.

    `most`: so many identifiers one person has, and so many people one identifier joins.
    """

    joins: tuple[str, ...]
    most: int
    placeholders: frozenset[str]

    @classmethod
    def from_settings(cls) -> "Rules":
        return cls(
            joins=tuple(settings.IDENTITY_JOINS),
            most=settings.IDENTITY_MOST,
            placeholders=frozenset(
                text.strip().casefold() for text in settings.IDENTITY_PLACEHOLDERS
            ),
        )

    def level(self, key: Key) -> int | None:
        """How much it is trusted, 0 the most; None where it joins nobody."""
        kind, value = key
        if kind in self.joins:
            level = self.joins.index(kind)
        elif OTHERS in self.joins and kind not in _KNOWN_KINDS:
            level = self.joins.index(OTHERS)
        else:
            return None
        if kind == EMAIL and not _ADDRESS.fullmatch(value):
            return None
        if kind == PHONE and not INTERNATIONAL.fullmatch(value):
            return None
        return level

    def is_placeholder(self, text: str) -> bool:
        return is_placeholder(text, self.placeholders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Whose call it is, and what else was said of them; `placeholder`: one was in it."""

    subject: Key
    others: tuple[Key, ...] = ()
    placeholder: str = ""


def is_placeholder(text: str, known: Collection[str]) -> bool:
    """Whether an ID is one that programs send who know nobody, such as “undefined”.

    So is what stands in a template where nobody filled it in: {{user_id}}.
    """
    bare = text.strip().casefold()
    return bare in known or bool(
        bare.endswith(_ENDS_OF_TEMPLATES) and _TEMPLATE.fullmatch(bare)
    )


def read(kind: str, payload: Mapping[str, Any], rules: Rules) -> Call:
    """Read a message's payload; raises ValueError where it is about nobody."""
    placeholder = ""
    found: list[Key] = []
    for key in _ids(payload):
        if rules.is_placeholder(key[1]):
            placeholder = key[1]
        else:
            found.append(key)
    traits = payload.get("traits")
    if traits:
        found += _contacts(traits, rules)
    if not found:
        if not placeholder:
            raise ValueError("The message says nothing of who it is about.")
        nobody = (PLACEHOLDER, placeholder.strip().casefold())
        return Call(subject=nobody, placeholder=placeholder)
    if len(found) == 1 and kind != ALIAS:
        return Call(subject=found[0], placeholder=placeholder)
    if found[0][0] not in (EXTERNAL_ID, ANONYMOUS_ID):
        found.sort(key=lambda key: _trust(key, rules))
    subject = found[0]
    if kind == ALIAS and subject[0] == EXTERNAL_ID:
        found += _previous(payload, subject[1], rules)
    others = tuple(dict.fromkeys(key for key in found[1:] if key != subject))
    return Call(subject=subject, others=others, placeholder=placeholder)


def microseconds(time: str) -> int:
    """An ISO 8601 time with a zone, as microseconds since 1970; raises ValueError."""
    return (datetime.fromisoformat(time) - _EPOCH) // _MICROSECOND


def contact(name: str, value: object) -> str:
    """An e-mail or phone as it is kept; raises ValueError for what is no text."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"traits.{name} is a text.")
    return CONTACTS[name](str(value))


def _ids(payload: Mapping[str, Any]) -> list[Key]:
    """The identifiers, the external ID first and the anonymous one second."""
    ids: list[Key] = []
    user_id, anonymous_id = payload.get("userId"), payload.get("anonymousId")
    more = payload.get("ids")
    if not user_id and more:
        user_id = next((value for kind, value in more if kind == EXTERNAL_ID), None)
    if user_id:
        ids.append((EXTERNAL_ID, user_id))
    if anonymous_id:
        ids.append((ANONYMOUS_ID, anonymous_id))
    for kind, value in more or ():
        kept = CONTACTS[kind](value) if kind in CONTACTS else value
        if kept and kind not in (EXTERNAL_ID, PLACEHOLDER):
            ids.append((kind, kept))
    return ids


def _contacts(traits: Mapping[str, Any], rules: Rules) -> list[Key]:
    found = []
    for name in CONTACTS:
        value = traits.get(name)
        if value and name in rules.joins:
            key = (name, contact(name, value))
            if rules.level(key) is not None:
                found.append(key)
    return found


def _previous(payload: Mapping[str, Any], user_id: str, rules: Rules) -> list[Key]:
    """What an alias says that the person was called before: by either kind of ID."""
    previous = payload.get("previousId")
    if not previous or previous == user_id or rules.is_placeholder(previous):
        return []
    return [(ANONYMOUS_ID, previous), (EXTERNAL_ID, previous)]


def _trust(key: Key, rules: Rules) -> tuple[bool, int, Key]:
    kind = key[0]
    if kind == ANONYMOUS_ID:
        return False, -1, key
    level = rules.level(key)
    return level is None, level or 0, key
