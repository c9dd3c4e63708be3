"""Requests of an engagement that compares: what is not known to be so."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from engagements.audience import people_data
from engagements.audience.people_data import People
from engagements.delivery.writing.material import Material
from engagements.delivery.writing.requests import request
from engagements.delivery.writing.room import Room
from engagements.outbox.claim import Claim
from engagements.outbox.known import Known
from engagements.outbox.prepared_request import PreparedRequest, Synced
from engagements.personalization.renderer import Skip
from engagements.sync import comparing, state
from engagements.sync.comparing import Compared, Comparison


def requests(
    material: Material, comparison: Comparison, room: Room
) -> Iterator[PreparedRequest]:
    """The claims' requests, held against what the other side has accepted.

    Whoever has nothing new takes no room under a cap.
    """
    comparing = _Comparing.of(material, comparison)
    claims = material.asked.claims
    if not material.asked.site.caps or comparing.is_all_new:
        over = room.take(claims)
        # One by one: what is read of people is forgotten before the next are.
        few: list[_Look] = []
        for held in claims:
            one = comparing.look(held, over.get(held.batch_id, {}))
            if comparing.is_few(one):
                few.append(one)
            else:
                yield comparing.request(one)
        yield from map(comparing.request, comparing.gathered(few))
        return
    found = comparing.gathered(list(map(comparing.look, claims)))
    over = room.take([one.going(comparing.left) for one in found])
    for one in found:
        yield comparing.request(one.without(over.get(one.held.batch_id, {})))


class _Look(NamedTuple):
    """A batch's people, whom of them it puts off, and what is to be sent of them."""

    held: Claim
    people: People
    later: Mapping[int, datetime]
    compared: Compared

    def going(self, left: Collection[int]) -> Claim:
        """The claim with those alone who have something to be sent and have not left."""
        ids, places = self.held.profile_ids, self.people.places
        going = {p for n in self.compared.marks if ids[p := places[n]] not in left}
        return self.held.without(set(range(len(ids))) - going)

    def without(self, over: Mapping[int, Skip]) -> "_Look":
        """The same where those at these places are not sent anything."""
        if not over:
            return self
        places = enumerate(self.people.places)
        skipped = {n: over[at] for n, at in places if at in over}
        return self._replace(compared=self.compared.without(skipped))

    def put_off(self, at: datetime) -> "_Look":
        """The same where all who have something to be sent go in another batch."""
        held, people, later, compared = self
        going = {people.places[n]: at for n in compared.marks}
        rest = [n for n in range(len(people.places)) if n not in compared.marks]
        skipped = {at: compared.skipped[n] for at, n in enumerate(rest)}
        return _Look(
            held,
            people._replace(places=[people.places[n] for n in rest]),
            {**later, **going},
            compared._replace(rendered=None, skipped=skipped, marks={}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparing:
    """The people of a run's claims, and what is known of them.

    `left`: those whose attributes are to be cleared; `kept`: who is kept back for another
    reason than that.
    """

    material: Material
    comparison: Comparison
    left: Collection[int]
    kept: Mapping[int, Skip]
    known: Mapping[int, Known]
    writers: Collection[int]

    @classmethod
    def of(cls, material: Material, comparison: Comparison) -> "_Comparing":
        run, who = material.script.run, material.asked.people
        left = comparing.who_leaves(comparison, run, who, material.kept)
        known = state.known(run.engagement_id, comparison.epoch, set(who.values()))
        return cls(
            material=material,
            comparison=comparison,
            left=left,
            kept={id: why for id, why in material.kept.items() if id not in left},
            known=known,
            writers=frozenset(its.written_by for its in known.values()),
        )

    @property
    def is_all_new(self) -> bool:
        """Whether nothing is known of anybody: there is something to be sent of all.

        But for who is there twice, and is compared with what comes of the first.
        """
        asked = self.material.asked
        places = sum(len(held.profile_ids) for held in asked.claims)
        return not self.known and len(set(asked.people.values())) == places

    def look(self, held: Claim, over: Mapping[int, Skip] = {}) -> _Look:
        material, left, who = self.material, self.left, self.material.asked.people
        rest, later = material.going(held)
        people = people_data.people(rest, material.rows, self.kept, over)
        people, twice = _once_each(people, held, who)
        ids = _at(people.places, held.profile_ids)
        compared = self.comparison.render(
            material.script.recipe,
            material.group(held, people),
            [self.known.get(who[id]) for id in ids]
            if self.known
            else [None] * len(ids),
            {n for n, id in enumerate(ids) if id in left} if left else (),
        )
        # What is read of them is nobody's any more: until all are looked at that is much.
        people = people._replace(profiles=(), events=())
        return _Look(held, people, {**later, **twice}, compared)

    def is_few(self, look: _Look) -> bool:
        """Whether others may go with those of a batch who have something to be sent.

        Who just entered does not wait for others, and a request that was written before
        is written again of the same people.
        """
        held, script = look.held, self.material.script
        if held.is_written or held.is_suspect or held.is_standing:
            return False
        if script.recipe.is_of_one_variant:
            return False
        return 0 < len(look.compared.marks) * 2 <= script.size

    def gathered(self, looks: Sequence[_Look]) -> Sequence[_Look]:
        """Let few of many batches go together, in half as many requests at most.

        They leave for a batch of their own: what is in a request is what the batch has.
        """
        few = [n for n, one in enumerate(looks) if self.is_few(one)]
        people = sum(len(looks[n].compared.marks) for n in few)
        if -(-people // self.material.script.size) * 2 > len(few):
            return looks
        found = list(looks)
        for n in few:
            found[n] = looks[n].put_off(looks[few[0]].held.now)
        return found

    def request(self, look: _Look) -> PreparedRequest:
        held, people, later, compared = look
        ids, who = _at(people.places, held.profile_ids), self.material.asked.people
        roots = [who[id] for id in ids]
        known: Mapping[int, Known] = {}
        if self.known:
            known = {id: self.known[id] for id in roots if id in self.known}
        places = _at(compared.marks, people.places)
        synced = Synced(
            epoch=self.comparison.epoch,
            people=dict(zip(people.places, roots, strict=True)),
            known=known,
            marks=dict(zip(places, compared.marks.values(), strict=True)),
            saved=compared.saved,
            is_new=not known and ids == roots,
            writers=self.writers,
        )
        prepared = request(
            self.material, held, people, compared.rendered, compared.skipped
        )
        return replace(prepared, synced=synced, later={**prepared.later, **later})


def _once_each(
    people: People, held: Claim, who: Mapping[int, int]
) -> tuple[People, dict[int, datetime]]:
    """Each person once; who is in it again is put off: what is new comes of the first."""
    seen: set[int] = set()
    later: dict[int, datetime] = {}
    ids = _at(people.places, held.profile_ids)
    if len({who[id] for id in ids}) == len(ids):
        return people, later
    for place in people.places:
        person = who[held.profile_ids[place]]
        if person in seen:
            later[place] = held.now
        seen.add(person)
    kept = [n for n, place in enumerate(people.places) if place not in later]
    first = people._replace(
        places=[people.places[n] for n in kept],
        profiles=[people.profiles[n] for n in kept],
        events=[people.events[n] for n in kept],
    )
    return first, later


def _at(places: Collection[int], values: Sequence[int]) -> list[int]:
    """The values at these places."""
    return [values[place] for place in places]
