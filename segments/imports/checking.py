"""What an import would do: whom it would make, change, and leave as they are.

People are looked up in sets, and noted by a hash of who they are, so that somebody whom
the file names twice is one person: the later row wins, as it will when it is applied.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection
from django.db.models import Count

from segments.identity import calls, tombstones
from segments.imports.mapping.messages import Message
from segments.models import FoundPerson, Import, stored

Kind = FoundPerson.Kind
NOTHING = object()
Values = Mapping[str, Any]


@dataclass(slots=True)
class _Row:
    """Who a row is about, what it says, and what of them is known; None: nobody."""

    key: int
    says: dict[str, Any]
    known: Values | None


def note(imported: Import, messages: Sequence[Message]) -> tuple[int, int]:
    """Note whom the messages are about.

    Returns (how many rows were of one again, how many of somebody who was erased): the
    latter are kept out, and nobody is noted.
    """
    rules = calls.Rules.from_settings()
    payloads, erased = _kept_in([payload for _, _, payload in messages], rules)
    rows = list(_looked_up(payloads, rules))
    before = FoundPerson.objects.filter(of=imported, key__in=[row.key for row in rows])
    noted: dict[int, tuple[str, dict[str, Any]]] = {
        person.key: (person.kind, person.changes or {}) for person in before
    }
    again = 0
    for row in rows:
        _, changes = noted.get(row.key, ("", {}))
        again += row.key in noted
        noted[row.key] = _judged(row, changes)
    _save(imported, noted)
    return again, erased


def counts(imported: Import) -> dict[str, int]:
    """So many people of each kind; afterwards nobody is noted any more."""
    people = FoundPerson.objects.filter(of=imported)
    kinds = people.values_list("kind").annotate(count=Count("key"))
    found = dict.fromkeys(Kind.values, 0) | dict(kinds)
    forget(imported)
    return found


def hashes(people: Iterable[int], keys: Iterable[tuple[str, str]]) -> list[int]:
    """By which somebody may be noted: by their rows, and by their identifiers."""
    named = [f"{kind} {value}" for kind, value in keys]
    return [_hash(who) for who in (*(f"person {pk}" for pk in people), *named)]


def forget(imported: Import) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM segments_foundperson WHERE of_id = %s", [imported.pk]
        )


def _judged(row: _Row, changes: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if row.known is None:
        return Kind.NEW, {}
    differs = {
        name: value
        for name, value in row.says.items()
        if not _is_same(row.known.get(name), value)
    }
    kept = {name: value for name, value in changes.items() if name not in row.says}
    changes = kept | differs
    return (Kind.CHANGED if changes else Kind.SAME), changes


def _is_same(old: Any, new: Any) -> bool:
    if old != new:
        return False
    # 1 and true are equal in Python, and not in JSON.
    return old.__class__ is new.__class__ is str or stored.write(old) == stored.write(
        new
    )


def _kept_in(
    payloads: Sequence[dict[str, Any]], rules: calls.Rules
) -> tuple[Sequence[dict[str, Any]], int]:
    """Those that name nobody who was erased, and how many others there are."""
    if not tombstones.is_any():
        return payloads, 0
    read = [calls.read("identify", payload, rules) for payload in payloads]
    erased = tombstones.find({key for c in read for key in (c.subject, *c.others)})
    kept = [
        payload
        for payload, call in zip(payloads, read, strict=True)
        if not tombstones.keeps_out(erased, call, payload)
    ]
    return kept, len(payloads) - len(kept)


def _looked_up(payloads: Sequence[dict[str, Any]], rules: calls.Rules) -> list[_Row]:
    named: dict[str, set[str]] = defaultdict(set)
    subjects = [_subject(payload, rules) for payload in payloads]
    for kind, value in subjects:
        named[kind].add(value)
    known: dict[tuple[str, str], tuple[int, Values]] = {}
    with connection.cursor() as cursor:
        values_of = {kind: [*named[kind]] for kind in KINDS}
        cursor.execute(KNOWN, values_of)
        for kind, value, id_, email, phone, attributes in cursor.fetchall():
            values = {**stored.read(attributes), "email": email, "phone": phone}
            known[kind, value] = (id_, values)
    rows = []
    for (kind, value), payload in zip(subjects, payloads, strict=True):
        person = known.get((kind, value))
        who = f"person {person[0]}" if person else f"{kind} {value}"
        says = dict(payload.get("traits") or {})
        for contact in ("email", "phone"):
            if contact in says:
                says[contact] = says[contact] or ""
        rows.append(_Row(_hash(who), says, person[1] if person else None))
    return rows


def _subject(payload: dict[str, Any], rules: calls.Rules) -> calls.Key:
    """Whom it is about, as it will be when it is applied."""
    if "userId" in payload and not rules.is_placeholder(payload["userId"]):
        return calls.EXTERNAL_ID, payload["userId"]
    return calls.read("identify", payload, rules).subject


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _save(imported: Import, noted: Mapping[int, tuple[str, dict[str, Any]]]) -> None:
    changes = [
        orjson.dumps(changed).decode() if changed else None
        for _, changed in noted.values()
    ]
    kinds = [kind for kind, _ in noted.values()]
    with connection.cursor() as cursor:
        cursor.execute(SAVE, [imported.pk, list(noted), kinds, changes])


def _who_said(kind: str) -> str:
    """The one known person who said an e-mail or phone, else whose own it is."""
    return f"""
    UNION ALL
    SELECT '{kind}', value,
        CASE count(DISTINCT id) FILTER (WHERE is_known) WHEN 1
        THEN min(id) FILTER (WHERE is_known) ELSE min(id) FILTER (WHERE is_own) END
    FROM (
        SELECT {kind} AS value, id, external_id IS NOT NULL AS is_known, false AS is_own
        FROM segments_profile
        WHERE {kind} = ANY(%({kind})s::text[]) AND {kind} <> ''
        UNION
        SELECT i.value, coalesce(p.merged_into_id, p.id), r.external_id IS NOT NULL,
            i.is_own
        FROM segments_identifier i JOIN segments_profile p ON p.id = i.profile_id
        JOIN segments_profile r ON r.id = coalesce(p.merged_into_id, p.id)
        WHERE i.kind = '{kind}' AND i.value = ANY(%({kind})s::text[]) AND NOT i.is_void
    ) said GROUP BY value"""


KINDS = (calls.EXTERNAL_ID, calls.ANONYMOUS_ID, calls.EMAIL, calls.PHONE)
# Whoever was merged is found as the person whom they became.
KNOWN = f"""
SELECT named.kind, named.value, p.id, p.email, p.phone, p.attributes::text
FROM (
    SELECT 'external_id' AS kind, external_id AS value, id
    FROM segments_profile WHERE external_id = ANY(%(external_id)s::text[])
    UNION ALL
    SELECT 'anonymous_id', value, profile_id FROM segments_identifier
    WHERE kind = 'anonymous_id' AND is_own AND value = ANY(%(anonymous_id)s::text[])
    {_who_said(calls.EMAIL)}
    {_who_said(calls.PHONE)}
) named
JOIN segments_profile e ON e.id = named.id
JOIN segments_profile p ON p.id = coalesce(e.merged_into_id, e.id)
"""
SAVE = """
INSERT INTO segments_foundperson AS f (of_id, key, kind, changes)
SELECT %s, key, kind, changes::jsonb
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS new (key, kind, changes)
ON CONFLICT (of_id, key) DO UPDATE SET kind = excluded.kind, changes = excluded.changes
"""
