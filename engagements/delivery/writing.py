"""Claimed batches become requests: people are read, rendered and packed."""

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from engagements.audience import people_data
from engagements.audience.people_data import People, Rows
from engagements.delivery.claims import put_back
from engagements.guards import caps, holdout, pipeline
from engagements.guards.asking import Asked, Later
from engagements.guards.site import Site, look
from engagements.models import Engagement, Run
from engagements.outbox import in_order, one_variant, workers
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import Newer, PreparedRequest, Synced
from engagements.personalization import delivery_ids
from engagements.personalization.columns import Group
from engagements.personalization.renderer import Recipe, Skip, compile_recipe
from engagements.sync import comparing, order, state
from engagements.sync.comparing import Compared, Comparison
from engagements.sync.order import Overtaken, Writes
from engagements.variants import drawing, plan
from engagements.variants.plan import Variants
from externalapi.connections import encryption
from externalapi.definitions.compiled import Rendered
from lemnisk_braze.lib import database_clock

# Batch → place → why there is no room for this person.
Over: TypeAlias = Mapping[int, Mapping[int, Skip]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A run, compiled: what all of its requests have in common."""

    run: Run
    recipe: Recipe
    key: str
    # Ids of the segments that the engagement excludes.
    excluded: Sequence[int]
    # Whose deliveries' names these are (personalization.delivery_ids), where one is asked.
    names_of: int | None
    # Where the engagement sends only what is new to the other side.
    comparison: Comparison | None
    # Where it writes attributes.
    writes: Writes | None
    variants: Variants


# Claim stamp → script, by run; of the runs that this worker was at lately.
_scripts: OrderedDict[int, tuple[str, Script]] = OrderedDict()
SCRIPTS_KEPT = 100


def write(claims: Sequence[Claim]) -> Iterator[PreparedRequest]:
    """Render each claimed batch; a run that cannot be compiled stops its engagement."""
    rows, site = people_data.rows(claims), look()
    by_run: dict[tuple[int, str], list[Claim]] = defaultdict(list)
    for held in claims:
        by_run[held.run_id, held.stamp].append(held)
    for (run_id, stamp), its_claims in by_run.items():
        script = _script(run_id, stamp)
        if script is None:
            put_back(its_claims, timedelta(0))
            continue
        its_claims = in_order.whose_turn_it_is(script.run, its_claims)
        if not its_claims:
            continue
        asked = _asked(script, site, its_claims, rows)
        drawn = _drawn(script, asked.people)
        if script.recipe.is_of_one_variant:
            its_claims = one_variant.of_one_each(its_claims, drawn)
            asked = _asked(script, site, its_claims, rows)
        stopped = pipeline.stopped(asked)
        kept = {id: why for id, why in stopped.items() if isinstance(why, Skip)}
        put_off = {id: why.at for id, why in stopped.items() if isinstance(why, Later)}
        room = _Room(asked=asked, stopped=stopped)
        requests = list(_written(script, asked, rows, kept, put_off, room, drawn))
        if site.caps:
            room.give_back(requests)
        yield from requests


@dataclass(slots=True, kw_only=True)
class _Room:
    """The room under caps that the people of some claims take, and give back."""

    asked: Asked
    stopped: Collection[int]
    reserved: caps.Reserved = caps.NOTHING
    claims: Mapping[int, Claim] = field(default_factory=dict)

    def take(self, claims: Sequence[Claim]) -> Over:
        """Take it for whoever is in the claims; who has none, and why."""
        if self.asked.site.caps:
            self.claims = {held.batch_id: held for held in claims}
            self.reserved = caps.reserve(self.asked, claims, self.stopped)
        return self.reserved.over

    def give_back(self, requests: Sequence[PreparedRequest]) -> None:
        """Let others have that of whoever has nothing to be sent now."""
        people = [one for prepared in requests for one in self._not_sent(prepared)]
        assert self.asked.run
        caps.give_back(self.asked.run.pk, self.reserved, people)

    def _not_sent(self, prepared: PreparedRequest) -> Iterator[caps.Person]:
        held = self.claims[prepared.batch_id]
        entries = held.transition_ids or [0] * len(held.profile_ids)
        over = self.reserved.over.get(held.batch_id, {})
        those = {*prepared.skipped, *prepared.later}.difference(held.left_out, over)
        for place in those:
            if held.profile_ids[place] not in self.stopped:
                yield held.profile_ids[place], entries[place] or 0


def _written(
    script: Script,
    asked: Asked,
    rows: Rows,
    kept: Mapping[int, Skip],
    put_off: Mapping[int, datetime],
    room: _Room,
    drawn: Mapping[int, int],
) -> Iterator[PreparedRequest]:
    """The claims' requests, without those who are kept back, over a cap or put off."""
    if script.comparison:
        for one in _compared(
            script, script.comparison, asked, rows, kept, put_off, room, drawn
        ):
            yield _with_variants(one, drawn, kept)
        return
    over = room.take(asked.claims)
    newer = _newer(script, asked.claims)
    for held in asked.claims:
        rest, later = _going(held, put_off)
        people = people_data.people(rest, rows, kept, over.get(held.batch_id, {}))
        prepared = _prepared(script, held, people, newer, drawn)
        prepared = _with_variants(prepared, drawn, kept)
        yield replace(prepared, later=later) if later else prepared


def _drawn(script: Script, people: Mapping[int, int]) -> dict[int, int]:
    """By the id as a batch has it, which variant each gets; empty where there are none."""
    if not script.variants:
        return {}
    engagement_id = script.run.engagement_id
    by_root = drawing.numbers(script.variants, engagement_id, set(people.values()))
    return {id: by_root[root] for id, root in people.items()}


def _with_variants(
    prepared: PreparedRequest, drawn: Mapping[int, int], kept: Mapping[int, Skip]
) -> PreparedRequest:
    """The request with who gets which variant; who is held out gets none of them."""
    if not drawn:
        return prepared
    out = {id for id, why in kept.items() if why.code in holdout.CODES}
    ids = prepared.claim.profile_ids
    # Whose place is empty has no delivery.
    numbers = [plan.HELD_OUT if id in out else drawn.get(id, 0) for id in ids]
    return replace(prepared, variants=numbers)


def _going(
    held: Claim, put_off: Mapping[int, datetime]
) -> tuple[Claim, dict[int, datetime]]:
    """A batch without those who are sent later; and who they are, by place."""
    if not put_off:
        return held, {}
    later = {
        place: put_off[id]
        for place, id in enumerate(held.profile_ids)
        if id in put_off and place not in held.left_out
    }
    return held.without(later), later


def _script(run_id: int, stamp: str) -> Script | None:
    """The run's script as long as it is the same; None where there can be none."""
    kept_stamp, script = _scripts.get(run_id, ("", None))
    if script is None or kept_stamp != stamp:
        script = _compiled(run_id)
        if script is None:
            return None
        _scripts[run_id] = stamp, script
    _scripts.move_to_end(run_id)
    if len(_scripts) > SCRIPTS_KEPT:
        _scripts.popitem(last=False)
    return script


def _compiled(run_id: int) -> Script | None:
    run = Run.objects.select_related(
        "engagement__segment", "version__external_api", "version__connection"
    ).get(pk=run_id)
    try:
        variants = plan.of(run)
        recipe = compile_recipe(run.version, run.values, variants)
        comparison = comparing.compiled(run)
        key = encryption.read_key(run.version.connection)
    except (ValueError, encryption.SecretError) as e:
        if isinstance(e, encryption.SecretError) and encryption.is_stranger():
            # Others can read it: it is for them, and nobody's engagement is at fault.
            workers.take_no_more(encryption.StrangerError())
            return None
        run.engagement.move([Engagement.State.ACTIVE], Engagement.State.BLOCKED, str(e))
        return None
    is_named = any(
        delivery_ids.are_named(own.values()) for own in variants.each(run.values)
    )
    names_of = delivery_ids.first_run_id(run) if is_named else None
    excluded = list(run.engagement.exclusions.values_list("segment_id", flat=True))
    return Script(
        run=run,
        recipe=recipe,
        key=key,
        excluded=excluded,
        names_of=names_of,
        comparison=comparison,
        writes=order.written_by(run),
        variants=variants,
    )


def _asked(script: Script, site: Site, claims: Sequence[Claim], rows: Rows) -> Asked:
    held = (id for claim in claims for id in claim.profile_ids)
    return Asked(
        engagement=script.run.engagement,
        site=site,
        # Each has the row of whom they are part of now.
        people={id: rows.profiles[id][0] for id in held if id in rows.profiles},
        # A request that is tried again says what it said; its time is now.
        now=database_clock.reckoned(),
        excluded=script.excluded,
        run=script.run,
        claims=claims,
    )


class _Comparing(NamedTuple):
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

    def without(self, over: Mapping[int, Skip]) -> Compared:
        """What is sent where those at these places are not."""
        places = self.people.places
        return self.compared.without(
            {n: over[at] for n, at in enumerate(places) if over and at in over}
        )


def _compared(
    script: Script,
    comparison: Comparison,
    asked: Asked,
    rows: Rows,
    kept: Mapping[int, Skip],
    put_off: Mapping[int, datetime],
    room: _Room,
    drawn: Mapping[int, int],
) -> Iterator[PreparedRequest]:
    """The same where it is held against what Braze has accepted of them.

    Whoever has nothing new takes no room under a cap.
    """
    who, claims = asked.people, asked.claims
    left = comparing.who_leaves(comparison, script.run, who, kept)
    known = state.known(script.run.engagement_id, comparison.epoch, set(who.values()))
    kept_back = {id: why for id, why in kept.items() if id not in left}
    newer = _newer(script, claims)
    found = []
    for held in claims:
        rest, later = _going(held, put_off)
        people, twice = _once_each(people_data.people(rest, rows, kept_back), held, who)
        ids = [held.profile_ids[place] for place in people.places]
        compared = comparison.render(
            script.recipe,
            _group(script, held, people, drawn),
            [known.get(who[id]) for id in ids],
            {n for n, id in enumerate(ids) if id in left},
        )
        found.append(_Comparing(held, people, {**later, **twice}, compared))
    over = room.take([one.going(left) for one in found]) if asked.site.caps else {}
    for one in found:
        held, people = one.held, one.people
        compared = one.without(over.get(held.batch_id, {}))
        own = {place: who[held.profile_ids[place]] for place in people.places}
        synced = Synced(
            epoch=comparison.epoch,
            people=own,
            known={id: known[id] for id in own.values() if id in known},
            marks={people.places[n]: mark for n, mark in compared.marks.items()},
            saved=compared.saved,
        )
        prepared = _request(
            script, held, people, newer, compared.rendered, compared.skipped
        )
        yield replace(prepared, synced=synced, later={**prepared.later, **one.later})


def _once_each(
    people: People, held: Claim, who: Mapping[int, int]
) -> tuple[People, dict[int, datetime]]:
    """Each person once; who is in it again is put off: what is new comes of the first."""
    seen: set[int] = set()
    later: dict[int, datetime] = {}
    for place in people.places:
        person = who[held.profile_ids[place]]
        if person in seen:
            later[place] = held.now
        seen.add(person)
    if not later:
        return people, later
    kept = [n for n, place in enumerate(people.places) if place not in later]
    first = people._replace(
        places=[people.places[n] for n in kept],
        profiles=[people.profiles[n] for n in kept],
        events=[people.events[n] for n in kept],
    )
    return first, later


def _newer(script: Script, claims: Sequence[Claim]) -> Overtaken:
    """What was accepted for these people since their request was written first."""
    if script.writes is None or not script.writes.is_aging:
        return {}
    repeats = [held for held in claims if order.is_repeat(script.run, held)]
    return order.since(script.run, repeats)


def _prepared(
    script: Script,
    held: Claim,
    people: People,
    newer: Overtaken,
    drawn: Mapping[int, int],
) -> PreparedRequest:
    rendered, skipped = script.recipe.render(_group(script, held, people, drawn))
    return _request(script, held, people, newer, rendered, skipped)


def _group(
    script: Script, held: Claim, people: People, drawn: Mapping[int, int]
) -> Group:
    return Group(
        shared=people_data.shared_context(script.run.engagement, held.now),
        profiles=people.profiles,
        events=people.events,
        engagements=_named(script, held, people.places),
        variants=[drawn[held.profile_ids[place]] for place in people.places]
        if drawn
        else (),
    )


def _request(
    script: Script,
    held: Claim,
    people: People,
    newer: Overtaken,
    rendered: Rendered | None,
    skipped: Mapping[int, Skip],
) -> PreparedRequest:
    """What was rendered as a request; those who are skipped are so by position."""
    places = people.places
    prepared = PreparedRequest(
        # Of a claim at most one attempt comes: whoever has the one knows the other.
        attempt_id=held.token,
        claim=held,
        run=script.run,
        key=script.key,
        places=[place for n, place in enumerate(places) if n not in skipped],
        skipped={**people.skipped, **{places[n]: why for n, why in skipped.items()}},
    )
    if rendered is None:
        return prepared
    if script.writes is not None:
        prepared, rendered = _in_order(script, script.writes, prepared, newer, rendered)
        if not prepared.places:
            return prepared
    if rendered.left_out:
        prepared = prepared.noted(rendered.left_out)
    return _filled(prepared, script.recipe, rendered)


def _in_order(
    script: Script,
    writes: Writes,
    prepared: PreparedRequest,
    newer: Overtaken,
    rendered: Rendered,
) -> tuple[PreparedRequest, Rendered]:
    """The request without what would overwrite a newer value."""
    held = prepared.claim
    its = {at: those for at, those in newer.items() if at[0] == held.batch_id}
    repeats = writes.is_aging and order.is_repeat(script.run, held)
    prepared = replace(prepared, newer=Newer(is_repeat=repeats, since=its))
    if not its:
        return prepared, rendered
    nobody: frozenset[tuple[int, str]] = frozenset()
    own = [its.get((held.batch_id, place), nobody) for place in prepared.places]
    rendered, skipped = order.without_older(writes, rendered, own)
    return prepared.without(skipped), rendered


def _filled(
    prepared: PreparedRequest, recipe: Recipe, rendered: Rendered
) -> PreparedRequest:
    """The request with its request, without those of whom no request can be made."""
    try:
        return prepared.filled(*recipe.definition.request(rendered))
    except ValueError:
        rest, skipped = recipe.sendable(rendered)
    prepared = prepared.without(skipped)
    if not prepared.places:
        return prepared
    try:
        return prepared.filled(*recipe.definition.request(rest))
    except ValueError as e:
        # Each of them can go, but not together: halves can.
        return prepared.refused(str(e))


def _named(
    script: Script, held: Claim, places: Sequence[int]
) -> list[dict[str, object]]:
    """What `engagement` means to each, where their deliveries' names are asked."""
    first_run_id = script.names_of
    if first_run_id is None:
        return []
    entries = held.transition_ids or [0] * len(held.profile_ids)
    ids = (
        delivery_ids.delivery_id(first_run_id, held.profile_ids[place], entries[place])
        for place in places
    )
    return delivery_ids.named(script.run.engagement, ids)
