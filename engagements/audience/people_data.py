"""The data of people and of what brought them in, read when a batch is written."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from django.db import connection

from engagements.models import Engagement
from engagements.outbox.claim import Claim
from engagements.personalization.renderer import Skip
from segments.models import copying, stored

Data: TypeAlias = Mapping[str, Any]
Row: TypeAlias = tuple[Any, ...]

# Given as a row of its own, the list is not gone through id by id for the plan.
PROFILES = """
    SELECT id, attributes::text, external_id, email, phone, merged_into_id
    FROM segments_profile WHERE id = ANY((SELECT %s::bigint[])::bigint[])
"""
EVENTS = """
    SELECT id, properties::text, name, time, message_id
    FROM segments_event WHERE id = ANY((SELECT %s::bigint[])::bigint[])
"""
# The data of somebody who was deleted meanwhile.
GONE = Skip(code="erased", message="The person is not there any more.")
# Nobody's event: what brought the person in was none, or is not there any more.
NO_EVENT: Data = MappingProxyType({})


class People(NamedTuple):
    """Whom a batch's next request takes along, by place (from 0), and their data.

    `skipped`: those who left, whose data cannot be read, or are not there any more.
    """

    places: Sequence[int]
    profiles: Sequence[Data]
    events: Sequence[Data]
    skipped: Mapping[int, Skip]


class Rows(NamedTuple):
    """What the database has of some batches' people and their events, by id.

    Who is part of another by now (`merged`) has that person's.
    """

    profiles: Mapping[int, Row]
    events: Mapping[int, Row]
    merged: Collection[int] = ()


def rows(claims: Sequence[Claim]) -> Rows:
    """Read everybody whom the batches hold, unparsed."""
    return _rows_of(
        {id for held in claims for id in held.profile_ids},
        {id for held in claims for id in held.event_ids if id},
    )


def person(profile_id: int, event_id: int | None) -> People:
    """One person alone, and what brought them in, read as a batch's people are."""
    return those({profile_id: event_id})


def those(members: Mapping[int, int | None]) -> People:
    """People by id and what brought them in, read as a batch's people are."""
    found = _rows_of(members, {event_id for event_id in members.values() if event_id})
    return _parsed(
        range(len(members)),
        [found.profiles.get(profile_id) for profile_id in members],
        [found.events.get(event_id or 0) for event_id in members.values()],
    )


def _rows_of(profile_ids: Collection[int], event_ids: Collection[int]) -> Rows:
    profiles = _rows(PROFILES, profile_ids)
    merged = {id: row[-1] for id, row in profiles.items() if row[-1]}
    if merged:
        roots = _rows(PROFILES, set(merged.values()))
        profiles |= {id: roots[root] for id, root in merged.items()}
    return Rows(
        profiles=profiles,
        events=_rows(EVENTS, event_ids) if event_ids else {},
        merged=merged.keys(),
    )


def people(
    held: Claim,
    rows: Rows,
    kept: Mapping[int, Skip] = {},
    over: Mapping[int, Skip] = {},
) -> People:
    """Whom a batch holds who is not left out.

    Who is `kept` back, by person, or `over` a limit, by place, is skipped, and why.

    Parsed batch by batch, a person's data are still in the processor's own memory when
    they are rendered.
    """
    places: Sequence[int] = range(len(held.profile_ids))
    profiles: Sequence[Row | None]
    profiles = [rows.profiles.get(id) for id in held.profile_ids]
    events: Sequence[Row | None] = [None] * len(places)
    if rows.events and held.event_ids:
        events = [rows.events.get(id or 0) for id in held.event_ids]
    if held.left_out:
        out = set(held.left_out)
        places = [place for place in places if place not in out]
    why: dict[int, Skip] = {**over}
    if kept:
        ids = held.profile_ids
        why |= {at: kept[id] for at, id in enumerate(ids) if id in kept}
    # Who is not there at all has not just left.
    gone = {at for at in why.keys() & set(places) if profiles[at]} if why else set()
    if gone:
        places = [place for place in places if place not in gone]
    if len(places) < len(profiles):
        profiles = [profiles[place] for place in places]
        events = [events[place] for place in places]
    found = _parsed(places, profiles, events)
    if gone:
        skips = {place: why[place] for place in sorted(gone)}
        found = found._replace(skipped={**found.skipped, **skips})
    return found


def _parsed(
    places: Sequence[int], profiles: Sequence[Row | None], events: Sequence[Row | None]
) -> People:
    there = [profile for profile in profiles if profile]
    if len(there) == len(places):
        try:
            return People(places, _profiles(there), list(map(_event, events)), {})
        except ValueError:
            # One by one finds out whose.
            pass
    return _one_by_one(places, profiles, events)


def _one_by_one(
    places: Sequence[int], profiles: Sequence[Row | None], events: Sequence[Row | None]
) -> People:
    found: list[tuple[int, Data, Data]] = []
    skipped: dict[int, Skip] = {}
    for place, profile, event in zip(places, profiles, events, strict=True):
        try:
            if profile is None:
                skipped[place] = GONE
            else:
                found.append((place, _profiles([profile])[0], _event(event)))
        except ValueError as e:
            # The database holds numbers and depths that nothing can send.
            message = f"The data is unreadable: {e}"
            skipped[place] = Skip(code="template_error", message=message)
    left, people, did = zip(*found, strict=True) if found else ((), (), ())
    return People(left, people, did, skipped)


def _profiles(rows: Sequence[Row]) -> list[Data]:
    # As one list, which is quicker than each by itself.
    found = stored.read(f"[{','.join([row[1] for row in rows])}]")
    for profile, (_, _, external_id, email, phone, _) in zip(found, rows, strict=True):
        profile["external_id"] = external_id
        profile["email"] = email or None
        profile["phone"] = phone or None
    return list(found)


def _event(row: Row | None) -> Data:
    if row is None:
        return NO_EVENT
    _, properties, name, time, message_id = row
    return {
        "name": name,
        "time": time,
        "properties": stored.read(properties),
        "message_id": message_id,
    }


def _rows(statement: str, ids: Collection[int]) -> dict[int, Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [copying.id_array(ids)])
        # All at once: asking the cursor for each takes as long as reading them.
        return {row[0]: row for row in cursor.fetchall()}


def shared_context(engagement: Engagement, now: datetime) -> dict[str, object]:
    """What the personalization variables mean that are the same for all of a request.

    `now` is the time at which it is written for the first time.
    """
    segment = engagement.segment
    return {
        "segment": {"name": segment.name, "id": segment.pk},
        "engagement": {"name": engagement.name, "id": engagement.pk},
        "now": now,
    }
