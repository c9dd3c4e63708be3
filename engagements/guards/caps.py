"""Frequency caps: how often somebody may be sent, whatever they are in.

Counted is what was sent or may have been, and what is on its way: whoever writes a
request takes the room first, under the locks of its people's rows, so that together all
workers never take more than there is. A delivery has one place, however often it is
tried; one that ended without being sent gives it back by that: where there is no room
left, the counted are looked up once more. (P) A cap counts from when it was made.

Of nearly everybody it is plain that there is room, or none: `plenty` takes it for them in
one statement, and finds the others in another. The rest is counted, under locks.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import orjson
from django.conf import settings
from django.db import connection, transaction

from engagements import time_zones
from engagements.guards import plenty
from engagements.guards.asking import Asked, Guard, Verdicts
from engagements.models import Delivery, FrequencyCap, channel_number
from engagements.outbox.claim import Claim
from engagements.outbox.names import NAMES
from engagements.personalization.renderer import Skip
from externalapi.retention import in_chunks
from segments.models import copying

CODE = "frequency_cap"
# What is older no cap counts: its longest is so many months.
DAYS = 31 * FrequencyCap.LONGEST + 1

EXISTING = """
    SELECT profile_id FROM engagements_sentlately WHERE profile_id = ANY(%s::bigint[])
"""
MAKE = """
    INSERT INTO engagements_sentlately (profile_id)
    SELECT id FROM unnest(%s::bigint[]) id ORDER BY id ON CONFLICT DO NOTHING
"""
# In one order, whoever asks.
HOLD = """
    SELECT profile_id, to_json(sends)::text, extract(epoch FROM clock_timestamp()) * 1000
    FROM engagements_sentlately WHERE profile_id = ANY(%s::bigint[])
    ORDER BY profile_id {lock}
"""
KEEP = f"""
    UPDATE engagements_sentlately s SET sends = x.sends::bigint[], last_at = {plenty.LAST}
    FROM unnest(%s::bigint[], %s::text[]) x (profile_id, sends)
    WHERE s.profile_id = x.profile_id
"""
# Deliveries that have come to an end without being sent. One by one by their key, however
# few rows the table had when its statistics were made.
NOT_SENT = f"""
    SELECT x.* FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[])
        x (profile_id, run_id, transition_id)
    WHERE (
        SELECT d.state NOT IN {tuple(map(str, Delivery.MAYBE_SENT))}
        FROM engagements_delivery d WHERE d.profile_id = x.profile_id
            AND d.run_id = x.run_id AND d.transition_id = x.transition_id
    )
"""
NOT_SENT_BY = f"""
    SELECT d.profile_id, d.run_id, d.transition_id FROM engagements_batch b
    CROSS JOIN LATERAL unnest(b.profile_ids, b.transition_ids) m (profile_id, entry_id)
    JOIN engagements_delivery d ON d.profile_id = m.profile_id AND d.run_id = b.run_id
        AND d.transition_id = coalesce(m.entry_id, 0) AND d.batch_id = b.id
    WHERE b.id = ANY(%s::bigint[])
        AND d.state NOT IN {tuple(map(str, Delivery.MAYBE_SENT))}
"""
FORGET = """
    DELETE FROM engagements_sentlately WHERE profile_id = ANY(ARRAY(
        SELECT profile_id FROM engagements_sentlately WHERE last_at < %s
        ORDER BY last_at LIMIT %s FOR UPDATE SKIP LOCKED
    ))
"""


# Somebody by the name that a batch has, and their entry; 0 where a schedule asked.
Person: TypeAlias = tuple[int, int]


class Send(NamedTuple):
    """One of `SentLately.sends`, as it is stored."""

    at: int
    engagement: int
    segment: int
    # Its number (models.channel_number).
    channel: int
    run: int
    entry: int


class Key(NamedTuple):
    """A delivery: the person by the name that the batch has, the run and the entry."""

    profile: int
    run: int
    entry: int


class Reserved(NamedTuple):
    """Who has no room, and why; and by what times (`Send.at`) the others' is known."""

    over: Mapping[int, Mapping[int, Skip]]
    at: Collection[int]


NOTHING = Reserved({}, ())


def covering(asked: Asked) -> Sequence[FrequencyCap]:
    """The caps that count what the engagement sends."""
    engagement = asked.engagement
    return [
        cap
        for cap in asked.site.caps
        if cap.channel in ("", asked.channel)
        and cap.segment_id in (None, engagement.segment_id)
        and cap.engagement_id in (None, engagement.pk)
    ]


def reserve(asked: Asked, claims: Sequence[Claim], but: Collection[int]) -> Reserved:
    """Take room for everybody in the claims but those people; who has none, and why.

    What an engagement that heeds no cap sends is counted all the same. Whoever then has
    nothing to be sent gives it back (`give_back`).
    """
    caps = covering(asked)
    run = asked.run
    if not caps or run is None:
        return NOTHING
    people = [one for claim in claims for one in _people(claim, asked.people, but)]
    plain = plenty.plain(asked, people)
    full, at = plenty.take(asked, caps, plain) if plain else (set[int](), 0)
    rest = set(full)
    if len(plain) < len(people):
        rest.update(id for id, _ in people if id not in plain)
    if not rest:
        return Reserved({}, {at})
    none = plenty.none(asked, caps, {id: plain[id] for id in full}, at)
    if (new := full.difference(none)) and not any(plain.values()):
        rest -= plenty.begin(asked, new, at)
    over: dict[int, dict[int, Skip]] = defaultdict(dict)
    skips = {cap.pk: _skip(cap) for cap in caps}
    keys: dict[tuple[int, int], Key] = {}
    for batch_id, place, profile, entry in _places(claims, rest):
        if cap := none.get(profile):
            over[batch_id][place] = skips[cap.pk]
        else:
            keys[batch_id, place] = Key(profile, run.pk, entry)
    later = _counted(asked, caps, keys, over) if keys else at
    return Reserved(over, {at, later})


def _counted(
    asked: Asked,
    caps: Sequence[FrequencyCap],
    keys: Mapping[tuple[int, int], Key],
    over: dict[int, dict[int, Skip]],
) -> int:
    """Take room for these, by batch and place, as far as there is some; say when.

    Who has none is put into `over`, and why.
    """
    people = {key.profile for key in keys.values()}
    # Whose names two workers hold at once both lock the person that they are now.
    _make_rows(people.union(asked.people[name] for name in people))
    with transaction.atomic():
        room = _room(asked, caps, people, "FOR UPDATE")
        refused = room.refused(list(keys.values()))
        _keep(room)
    for (batch_id, place), key in keys.items():
        if cap := refused.get(key):
            over[batch_id][place] = _skip(cap)
    return room.now


def give_back(run_id: int, reserved: Reserved, people: Collection[Person]) -> None:
    """Let others have the room of these people, who are not sent after all.

    What another worker has taken meanwhile for the same delivery stays: it is of another
    time.
    """
    if not (reserved.at and people):
        return
    gone = {(id, run_id, entry) for id, entry in people}
    _take_out(gone, lambda send: send.at in reserved.at)


def let_go(batches: Sequence[int]) -> None:
    """Let others have the room of whom these batches have not sent, for good.

    Before their deliveries are deleted, which say so until then: a cap may count what
    is older. Where deliveries are kept longer than any cap counts nothing is to be done.
    """
    kept = settings.RETENTION_DELIVERIES
    reach = max((cap.reach for cap in FrequencyCap.objects.all()), default=timedelta())
    if not batches or not kept or reach <= kept:
        return
    with connection.cursor() as cursor:
        cursor.execute(NOT_SENT_BY, [copying.id_array(batches)])
        gone = set(cursor.fetchall())
    if gone:
        _take_out(gone)


def _take_out(
    gone: Collection[tuple[int, int, int]],
    also: Callable[[Send], bool] = lambda send: True,
) -> None:
    """Take these sends out of what is counted: person, run and entry."""
    with transaction.atomic(), connection.cursor() as cursor:
        ids = copying.id_array({id for id, _, _ in gone})
        cursor.execute(HOLD.format(lock="FOR UPDATE"), [ids])
        kept: dict[int, str] = {}
        for id, text, _ in cursor.fetchall():
            sends = [Send(*one) for one in orjson.loads(text)]
            rest = [s for s in sends if (id, s.run, s.entry) not in gone or not also(s)]
            if len(rest) < len(sends):
                kept[id] = _stored(rest)
        if kept:
            cursor.execute(KEEP, [list(kept), list(kept.values())])


def _ask(asked: Asked) -> Verdicts:
    """Who has no room now; nothing is taken."""
    caps = covering(asked)
    room = _room(asked, caps, set(asked.people), "")
    keys = [Key(profile, 0, 0) for profile in asked.people]
    refused = room.refused(keys)
    return {key.profile: _skip(cap) for key, cap in refused.items()}


def _is_set(asked: Asked) -> bool:
    return asked.engagement.heeds_caps and bool(covering(asked))


# Asked where nothing is sent; who sends something reserves.
GUARD = Guard(name="Frequency caps", is_set=_is_set, ask=_ask)


def forget(before: datetime, deadline: float) -> int:
    """Delete what no cap counts any more (engagements.retention)."""
    return in_chunks(FORGET, before, 1_000, deadline)


def _skip(cap: FrequencyCap) -> Skip:
    return Skip(code=CODE, message=f"Frequency cap “{cap}”: {cap.in_words}.")


def _people(
    claim: Claim, there: Collection[int], but: Collection[int]
) -> Iterable[Person]:
    """Whoever is in a claim, but for those people."""
    if not (claim.left_out or claim.transition_ids):
        return [(id, 0) for id in claim.profile_ids if id in there and id not in but]
    return [
        (id, entry)
        for _, id, entry in claim.by_place()
        if id in there and id not in but
    ]


def _places(
    claims: Iterable[Claim], people: set[int]
) -> Iterator[tuple[int, int, int, int]]:
    """Where these people are: the batch, the place, and the person with their entry."""
    for claim in claims:
        out, entries = set(claim.left_out), claim.transition_ids
        for place, id in enumerate(claim.profile_ids):
            if id in people and place not in out:
                yield claim.batch_id, place, id, entries[place] or 0 if entries else 0


def _make_rows(people: Collection[int]) -> None:
    """A row for each, in a transaction of its own: locks are taken in one order."""
    with connection.cursor() as cursor:
        cursor.execute(EXISTING, [copying.id_array(people)])
        missing = set(people).difference(id for (id,) in cursor.fetchall())
        if missing:
            cursor.execute(MAKE, [copying.id_array(missing)])


@dataclass(slots=True, kw_only=True)
class _Room:
    """What people were sent, by the names that they have, and what they may be."""

    asked: Asked
    caps: Sequence[FrequencyCap]
    now: int
    # By name: who a name is now, and what was sent to it.
    root: Mapping[int, int]
    sends: dict[int, list[Send]]
    # Cap → person → since when it counts, where that is not the same for all.
    begins: Mapping[int, Mapping[int, int]]
    same: Mapping[int, int]
    changed: set[int] = field(default_factory=set)

    def refused(self, keys: Sequence[Key]) -> dict[Key, FrequencyCap]:
        """Take room for each, in order; those who have none, and by which cap."""
        of_person: dict[int, list[int]] = defaultdict(list)
        for name, root in self.root.items():
            of_person[root].append(name)
        ended = self._ended(keys, of_person)
        found: dict[Key, FrequencyCap] = {}
        for key in keys:
            before = self.sends.get(key.profile, [])
            self._leave(key)
            names = of_person[self.asked.people[key.profile]]
            counted = [
                send
                for name in names
                for send in self.sends.get(name, ())
                if (name, send.run, send.entry) not in ended
            ]
            cap = self._full(self.asked.people[key.profile], counted)
            if cap and self.asked.engagement.heeds_caps:
                found[key] = cap
                # Who may have been sent already goes on counting; of all others their
                # end will say that they were not.
                self.sends[key.profile] = before
            else:
                self._take(key)
        return found

    def _full(
        self, person: int, counted: Sequence[Send], more: int = 1
    ) -> FrequencyCap | None:
        """The first cap that has no room left for so many more."""
        for cap in self.caps:
            begin = self.begins.get(cap.pk, self.same).get(person, self.same[cap.pk])
            there = sum(1 for s in counted if s.at >= begin and _is_in(cap, s))
            if there + more > plenty.room_under(self.asked, cap):
                return cap
        return None

    def _ended(
        self, keys: Iterable[Key], of_person: Mapping[int, Sequence[int]]
    ) -> Collection[tuple[int, int, int]]:
        """Of what fills a cap, what came to its end without being sent."""
        doubtful: set[tuple[int, int, int]] = set()
        wanted = Counter(self.asked.people[key.profile] for key in set(keys))
        for person, more in wanted.items():
            named = [(n, s) for n in of_person[person] for s in self.sends.get(n, ())]
            if self._full(person, [send for _, send in named], more):
                doubtful.update((name, s.run, s.entry) for name, s in named)
        if not doubtful:
            return ()
        columns = [copying.number_array(c) for c in zip(*doubtful, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(NOT_SENT, columns)
            return set(cursor.fetchall())

    def _leave(self, key: Key) -> None:
        """Give back what the same delivery took before."""
        held = self.sends.get(key.profile, [])
        rest = [s for s in held if (s.run, s.entry) != (key.run, key.entry)]
        if len(rest) < len(held):
            self.sends[key.profile] = rest
            self.changed.add(key.profile)

    def _take(self, key: Key) -> None:
        own, channel = self.asked.engagement, channel_number(self.asked.channel)
        send = Send(self.now, own.pk, own.segment_id, channel, key.run, key.entry)
        self.sends.setdefault(key.profile, []).append(send)
        self.changed.add(key.profile)


def _is_in(cap: FrequencyCap, send: Send) -> bool:
    return (
        channel_number(cap.channel) in (0, send.channel)
        and cap.segment_id in (None, send.segment)
        and cap.engagement_id in (None, send.engagement)
    )


def _room(
    asked: Asked, caps: Sequence[FrequencyCap], people: Collection[int], lock: str
) -> _Room:
    roots = {asked.people[name] for name in people}
    with connection.cursor() as cursor:
        cursor.execute(NAMES, {"people": copying.id_array(roots)})
        root = {name: person for person, name in cursor.fetchall()}
        root.update({name: asked.people[name] for name in people})
        cursor.execute(HOLD.format(lock=lock), [copying.id_array(root)])
        if lock and len(root) > len(roots):
            # Only the next statement sees what was written to another of the names by
            # whom was waited for.
            cursor.execute(HOLD.format(lock=""), [copying.id_array(root)])
        rows = cursor.fetchall()
        if not rows:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp()) * 1000")
        now = int(max(row[2] for row in rows) if rows else cursor.fetchone()[0])
    sends = {id: [Send(*one) for one in orjson.loads(text)] for id, text, _ in rows}
    at = datetime.fromtimestamp(now / 1_000, UTC)
    return _Room(
        asked=asked,
        caps=caps,
        now=now,
        root=root,
        sends=sends,
        begins={
            cap.pk: begins
            for cap in caps
            if (begins := _begins_by_zone(cap, at, roots))
        },
        same={cap.pk: plenty.milliseconds(cap.begins(at, time_zones.zone_of(cap.time_zone, "UTC"))) for cap in caps},
    )  # fmt: skip


def _keep(room: _Room) -> None:
    changed = sorted(room.changed)
    if not changed:
        return
    # Those that are not in force may be again.
    reach = max(cap.reach for cap in (*room.caps, *FrequencyCap.objects.all()))
    oldest = room.now - reach // timedelta(milliseconds=1)
    texts = [_stored(s for s in room.sends[id] if s.at >= oldest) for id in changed]
    with connection.cursor() as cursor:
        cursor.execute(KEEP, [changed, texts])


def _stored(sends: Iterable[Send]) -> str:
    """As PostgreSQL reads an array of arrays."""
    each = (f"{{{','.join(map(str, send))}}}" for send in sends)
    return f"{{{','.join(each)}}}"


def _begins_by_zone(
    cap: FrequencyCap, now: datetime, people: Collection[int]
) -> Mapping[int, int]:
    """Of those who have a time zone of their own."""
    if not cap.is_by_own_zone:
        return {}
    named = time_zones.of_people(copying.id_array(people), cap.zone_attribute)
    begins = {
        name: plenty.milliseconds(cap.begins(now, ZoneInfo(name)))
        for name in time_zones.names().intersection(named.values())
    }
    return {id: begins[name] for id, name in named.items() if name in begins}
