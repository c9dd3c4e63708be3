"""A batch as one request, and what came back for it."""

import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from engagements import audience, delivery_ids, leaving, workers
from engagements.audience import People
from engagements.claims import Claim, put_back
from engagements.columns import Group
from engagements.models import Engagement, Run
from engagements.rendering import Recipe, Skip, compile_recipe
from engagements.settling import storable
from externalapi import answers, client, secrets
from externalapi.answers import Outcome, Verdict
from externalapi.batching import Packed
from externalapi.budget import Budget, read_budget
from externalapi.definition import Rendered
from lemnisk_braze.lib import database_clock

RESPONSE_HEAD = 2_048
NOTHING = Packed(body=b"", item_count=0, owners={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A batch as one request: who is in it, by place, and who was left out and why."""

    attempt_id: uuid.UUID
    claim: Claim
    run: Run
    key: str
    places: Sequence[int]
    skipped: Mapping[int, Skip]
    request: client.Request | None = None
    packed: Packed = NOTHING
    # Why these people cannot go into one request; then it is split, not sent.
    refusal: str = ""
    # What somebody goes without that could not be sent, by place.
    notes: Mapping[int, str] = field(default_factory=dict)

    @property
    def batch_id(self) -> int:
        return self.claim.batch_id

    @property
    def token(self) -> uuid.UUID:
        return self.claim.token

    @property
    def connection_id(self) -> int:
        return self.run.version.connection_id

    @property
    def left_out(self) -> list[int]:
        """The places of the batch that this request does not take along."""
        return sorted({*self.claim.left_out, *self.skipped})

    def filled(self, request: client.Request, packed: Packed) -> "Letter":
        return replace(self, request=request, packed=packed)

    def noted(self, left_out: Mapping[int, str]) -> "Letter":
        """With what is left out, by the place of a body."""
        return replace(
            self, notes={self.places[n]: words for n, words in left_out.items()}
        )

    def without(self, skipped: Mapping[int, Skip]) -> "Letter":
        """The letter without those at these positions among its people."""
        return replace(
            self,
            places=[at for n, at in enumerate(self.places) if n not in skipped],
            skipped={
                **self.skipped,
                **{self.places[n]: why for n, why in skipped.items()},
            },
        )

    def refused(self, reason: str) -> "Letter":
        return replace(self, refusal=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A run, compiled: what all of its letters have in common."""

    run: Run
    recipe: Recipe
    key: str
    # Whose deliveries' names these are (engagements.delivery_ids), where one is asked.
    names_of: int | None


# Claim stamp → script, by run; of the runs that this worker was at lately.
_scripts: OrderedDict[int, tuple[str, Script]] = OrderedDict()
SCRIPTS_KEPT = 100


def write(claims: Sequence[Claim]) -> Iterator[Letter]:
    """Render each claimed batch; a run that cannot be compiled stops its engagement."""
    rows = audience.rows(claims)
    by_run: dict[tuple[int, str], list[Claim]] = defaultdict(list)
    for held in claims:
        by_run[held.run_id, held.stamp].append(held)
    for (run_id, stamp), its_claims in by_run.items():
        script = _script(run_id, stamp)
        if script is None:
            put_back(its_claims, timedelta(0))
            continue
        left = leaving.who_left(script.run, its_claims)
        for held in its_claims:
            yield _letter(script, held, audience.people(held, rows, left))


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
        recipe = compile_recipe(run.version, run.values)
        key = secrets.read_key(run.version.connection)
    except (ValueError, secrets.SecretError) as e:
        if isinstance(e, secrets.SecretError) and secrets.is_stranger():
            # Others can read it: it is for them, and nobody's engagement is at fault.
            workers.take_no_more(secrets.StrangerError())
            return None
        run.engagement.move([Engagement.State.ACTIVE], Engagement.State.BLOCKED, str(e))
        return None
    is_named = delivery_ids.are_named(run.values.values())
    names_of = delivery_ids.first_run_id(run) if is_named else None
    return Script(run=run, recipe=recipe, key=key, names_of=names_of)


def _letter(script: Script, held: Claim, people: People) -> Letter:
    group = Group(
        shared=audience.shared_context(script.run.engagement, held.now),
        profiles=people.profiles,
        events=people.events,
        engagements=_named(script, held, people.places),
    )
    rendered, skipped = script.recipe.render(group)
    places = people.places
    letter = Letter(
        # Of a claim at most one attempt comes: whoever has the one knows the other.
        attempt_id=held.token,
        claim=held,
        run=script.run,
        key=script.key,
        places=[place for n, place in enumerate(places) if n not in skipped],
        skipped={**people.skipped, **{places[n]: why for n, why in skipped.items()}},
    )
    if rendered is None:
        return letter
    if rendered.left_out:
        letter = letter.noted(rendered.left_out)
    return _filled(letter, script.recipe, rendered)


def _filled(letter: Letter, recipe: Recipe, rendered: Rendered) -> Letter:
    """The letter with its request, without those of whom no request can be made."""
    try:
        return letter.filled(*recipe.definition.request(rendered))
    except ValueError:
        rest, skipped = recipe.sendable(rendered)
    letter = letter.without(skipped)
    if not letter.places:
        return letter
    try:
        return letter.filled(*recipe.definition.request(rest))
    except ValueError as e:
        # Each of them can go, but not together: halves can.
        return letter.refused(str(e))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a letter."""

    letter: Letter
    verdict: Verdict
    status: int | None
    duration_ms: int
    response_head: str
    # What to do about an answer that stops the engagement.
    advice: str = ""
    # What the other side says is left of its rate limit, where it says so.
    budget: Budget | None = None

    @property
    def is_accepted_whole(self) -> bool:
        """Braze took everybody in the letter, and nothing about it is odd."""
        verdict = self.verdict
        return verdict.outcome is Outcome.SENT and not (verdict.errors or verdict.note)

    @classmethod
    def of_answer(cls, letter: Letter, answer: client.Answer) -> "Result":
        text = answer.body.decode(errors="replace")
        verdict = _verdict(answer)
        is_blocked = verdict.outcome is Outcome.BLOCKED
        return cls(
            letter=letter,
            verdict=verdict,
            advice=answers.explain(answer, verdict) if is_blocked else "",
            status=answer.status,
            duration_ms=answer.duration_ms,
            response_head=storable(text)[:RESPONSE_HEAD],
            budget=read_budget(answer, database_clock.reckoned()),
        )

    @classmethod
    def of_error(cls, letter: Letter, error: client.TransportError) -> "Result":
        if isinstance(error, client.AmbiguousError):
            outcome = Outcome.AMBIGUOUS
        elif isinstance(error, client.BlockedAddressError):
            outcome = Outcome.BLOCKED
        else:
            outcome = Outcome.NOT_SENT
        return cls(
            letter=letter,
            verdict=Verdict(
                outcome=outcome,
                errors=(),
                message=storable(str(error)),
                wait_seconds=None,
            ),
            status=None,
            duration_ms=error.duration_ms,
            response_head="",
        )


def _verdict(answer: client.Answer) -> Verdict:
    """What an answer means, in texts that the database takes."""
    verdict = answers.read(answer)
    return replace(
        verdict,
        message=storable(verdict.message),
        doubt=storable(verdict.doubt),
        note=storable(verdict.note),
        errors=tuple(
            replace(error, array=storable(error.array), message=storable(error.message))
            for error in verdict.errors
        ),
    )
