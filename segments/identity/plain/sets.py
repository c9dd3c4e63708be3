"""Plain calls are written: who is new in one COPY, who was there in one UPDATE."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from django.db import connection

from segments.identity import rows, tombstones
from segments.identity.calls import CONTACTS, EXTERNAL_ID, Key, Rules, microseconds
from segments.identity.facts import Fact
from segments.identity.limits import TooMuchError
from segments.identity.parts import Message, Part
from segments.identity.plain import anonymous, choosing
from segments.identity.plain.choosing import PlainCall
from segments.identity.values import REST, Values
from segments.models import copying, stored
from segments.models.copying import text_array

COLUMNS = ("id", "external_id", "email", "phone", "attributes", "attribute_times")
AnyMessage = TypeVar("AnyMessage", bound=Message)


@dataclass(slots=True, kw_only=True)
class Known:
    """Rows that were there and have learnt, and what they were known by before."""

    parts: list[Part]
    before: list[tuple[Key, int]]


def take(
    messages: Sequence[AnyMessage], but: Collection[int] = ()
) -> tuple[set[int], dict[int, set[str]], Sequence[AnyMessage]]:
    """Write what plain calls say; return who is new, who changed, which messages are left.

    By id; of those who were there the names of what changed. `but`: keys of messages to
    be left. Take the inbox's lock before.
    """
    rules = Rules.from_settings()
    calls = {call.subject: call for call in choosing.choose(messages, rules, but)}
    if not calls:
        return set(), {}, messages
    for key in _keys_of_others(list(calls.values()), rules):
        _leave(calls, key)
    owners = anonymous.owners([c for c in calls.values() if not c.is_known])
    for subject in [who for who, row in owners.items() if row is None]:
        del calls[subject]
    parts: dict[int, Part] = {}
    rows.load(
        parts,
        [value for kind, value in calls if kind == EXTERNAL_ID],
        [row for row in owners.values() if row],
    )
    there = dict(_by_subject(parts, owners))
    unknown = [(who, part) for who, part in there.items() if who in owners]
    if unknown:
        _leave_whom_others_meet(calls, messages, unknown, rules)
    known = _learn(calls, there)
    unheard = [call for who, call in calls.items() if who not in there]
    new = _insert([call for call in unheard if call.is_known])
    new |= _insert_anonymous([call for call in unheard if not call.is_known])
    changed = _update(known)
    if len(calls) == len(messages):
        return new, changed, []
    done = {id(call.message) for call in calls.values()}
    return new, changed, [m for m in messages if id(m) not in done]


def _keys_of_others(calls: Sequence[PlainCall], rules: Rules) -> set[Key]:
    """What is somebody's who was erased, an alias's, or perhaps an anonymous person's."""
    found: set[Key] = set()
    if tombstones.is_any():
        found |= tombstones.find({key for call in calls for key in call.keys}).keys()
    # Of anonymous people all is looked up, whoever has it.
    calls = [call for call in calls if call.is_known]
    if not calls:
        return found
    with connection.cursor() as cursor:
        cursor.execute(ANYBODY)
        has_anonymous, has_aliases = cursor.fetchone()
        if has_aliases:
            cursor.execute(ALIASES, [text_array(call.subject[1] for call in calls)])
            found |= {(EXTERNAL_ID, value) for (value,) in cursor.fetchall()}
        for kind in CONTACTS if has_anonymous else ():
            said = {v for call in calls if (v := call.traits.get(kind))}
            cursor.execute(
                SHARED.format(kind=kind),
                {"values": text_array(said), "most": rules.most + 1},
            )
            found |= {(kind, value) for (value,) in cursor.fetchall()}
    return found


def _leave(calls: dict[Key, PlainCall], key: Key) -> None:
    kind, value = key
    if kind not in CONTACTS:
        calls.pop(key, None)
        return
    for call in [c for c in calls.values() if c.traits.get(kind) == value]:
        del calls[call.subject]


def _leave_whom_others_meet(
    calls: dict[Key, PlainCall],
    messages: Iterable[Message],
    rows_of: Iterable[tuple[Key, Part]],
    rules: Rules,
) -> None:
    """Leave anonymous people whose earlier e-mail or phone another message says.

    It joins them, and what they are told meanwhile is told of that person, too.
    """
    said = Counter(key for m in messages for key in choosing.keys_of(m, rules))
    for subject, part in rows_of:
        own = calls[subject].keys
        if any(said[key] > (key in own) for key in part.contacts()):
            del calls[subject]


def _by_subject(
    parts: Mapping[int, Part], owners: Mapping[Key, int | None]
) -> Iterable[tuple[Key, Part]]:
    """Those who were there, by what their calls know them by."""
    for part in parts.values():
        if part.external_id is not None:
            yield (EXTERNAL_ID, part.external_id), part
    yield from ((subject, parts[row]) for subject, row in owners.items() if row)


def _learn(calls: dict[Key, PlainCall], there: Mapping[Key, Part]) -> Known:
    """Tell those who were there; whose call is not plain after all is left out of `calls`."""
    known = Known(parts=[], before=[])
    for subject, part in there.items():
        call = calls.get(subject)
        if call is None:
            continue
        before = part.contacts()
        if not _told(part, call):
            del calls[subject]
            continue
        known.parts.append(part)
        now = part.own.data
        known.before += ((key, part.id) for key in before if now.get(key[0]) != key[1])
    return known


def _told(part: Part, call: PlainCall) -> bool:
    """Whether it was one with nobody, and is known by what was said last."""
    if part.row is None or part.row[4] is not None or part.root is not part:
        return False
    try:
        part.learn(call.message)
    except (TooMuchError, ValueError):
        return False
    said = ((kind, call.traits.get(kind)) for kind in CONTACTS)
    if any(value and part.own.data.get(kind) != value for kind, value in said):
        return False
    part.is_dirty = part.own.is_stamped
    part.note(part.own.changed)
    return True


def _insert(calls: Sequence[PlainCall]) -> set[int]:
    """Make known people of them; return their ids."""
    if not calls:
        return set()
    ids, _ = _next_ids(len(calls), 0)
    _copy(ids, copying.fields([call.subject[1] for call in calls]), calls)
    return set(ids)


def _insert_anonymous(calls: Sequence[PlainCall]) -> set[int]:
    """The same of anonymous people, each with an identifier of their own."""
    if not calls:
        return set()
    ids, fact_ids = _next_ids(len(calls), len(calls))
    _copy(ids, [copying.NULL] * len(calls), calls)
    rows.add_own_facts(
        [
            (call.subject, id_, Fact(id=fact_id, is_own=True, stamp=_stamp(call)))
            for call, id_, fact_id in zip(calls, ids, fact_ids, strict=True)
        ]
    )
    return set(ids)


def _next_ids(people: int, facts: int) -> tuple[list[int], list[int]]:
    with connection.cursor() as cursor:
        cursor.execute(rows.NEXT_IDS, [people, facts])
        ids, fact_ids = cursor.fetchone()
    return ids, fact_ids or []


def _copy(
    ids: Sequence[int], external_ids: Sequence[str], calls: Sequence[PlainCall]
) -> None:
    emails, phones, attributes, times = zip(*map(_person, calls), strict=True)
    columns = [
        map(str, ids),
        external_ids,
        copying.fields(emails),
        copying.fields(phones),
        map(copying.json_field, attributes),
        map(copying.json_field, times),
    ]
    copying.copy(
        "segments_profile", COLUMNS, map("\t".join, zip(*columns, strict=True))
    )


def _stamp(call: PlainCall) -> tuple[int, str]:
    message = call.message
    return _microseconds(message.payload["timestamp"]), message.message_id


def _person(call: PlainCall) -> tuple[str, str, str, str]:
    """(e-mail, phone, attributes, their times) of somebody new."""
    message, data = call.message, call.traits
    at = _microseconds(message.payload["timestamp"])
    stamp = [at, message.message_id, message.source_id]
    times: Mapping[str, object] = {REST: stamp}
    if call.raw or call.takes_away:
        values = Values()
        values.learn(dict(data), stamp, message.size, call.raw or {})
        data, times = values.data, values.times
    email = phone = ""
    if "email" in data or "phone" in data:
        data = dict(data)
        email, phone = data.pop("email", ""), data.pop("phone", "")
    return email, phone, stored.write(data), stored.write(times)


# All rows of a file have one time, or few.
_microseconds = lru_cache(maxsize=256)(microseconds)


def _update(known: Known) -> dict[int, set[str]]:
    """Write those who were there; return which attributes are others, by id."""
    written = [part for part in known.parts if part.is_dirty or part.is_changed]
    rows.update(written)
    rows.add_facts([(key, id_, Fact()) for key, id_ in known.before])
    return {part.id: part.changed for part in written if part.is_changed}


# Whether there is an anonymous person, or a part of somebody, at all; and an alias. Each
# is the end of an index: NULL is the largest external ID.
ANYBODY = """
SELECT coalesce((SELECT external_id IS NULL FROM segments_profile
        ORDER BY external_id DESC LIMIT 1), false),
    coalesce((SELECT kind = 'external_id' FROM segments_identifier
        WHERE kind >= 'external_id' ORDER BY kind, value, profile_id LIMIT 1), false)
"""
ALIASES = """
SELECT DISTINCT value FROM segments_identifier
WHERE kind = 'external_id' AND value = ANY(%s::text[])
"""
# What was said of an anonymous person or a part, or of so many that nobody looks whom.
SHARED = """
SELECT v.value FROM unnest(%(values)s::text[]) v (value)
CROSS JOIN LATERAL (
    SELECT bool_or(is_anonymous) OR count(*) >= %(most)s AS is_shared FROM (
        SELECT p.external_id IS NULL AS is_anonymous FROM segments_profile p
        WHERE p.{kind} = v.value AND p.{kind} <> '' LIMIT %(most)s
    ) said
) by_row
CROSS JOIN LATERAL (
    SELECT bool_or(is_anonymous) OR count(*) >= %(most)s AS is_shared FROM (
        SELECT p.external_id IS NULL AS is_anonymous
        FROM segments_identifier i JOIN segments_profile p ON p.id = i.profile_id
        WHERE i.kind = '{kind}' AND i.value = v.value LIMIT %(most)s
    ) said
) by_fact
WHERE by_row.is_shared OR by_fact.is_shared
"""
