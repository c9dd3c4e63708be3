"""The worker: claim, render, pace, intend, send, record (docs/delivery.md).

The database is the only truth. Each step is one short transaction, the request itself
is in none, and every row of an attempt is written before its first byte leaves.
"""

import hashlib
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.conf import settings
from django.db import connection, transaction

from engagements import audience, breaker, outcomes, runs, workers
from engagements.letters import Letter, Result
from engagements.models import Attempt, Engagement, Run
from engagements.rendering import Recipe, Skip, compile_recipe
from engagements.survival import insist
from externalapi import client, secrets
from externalapi.definition import Rendered

# Batches that one worker has in its hands: what a crash of it can put in doubt.
CLAIM = 32
SENDERS = 32
BUDGET = timedelta(seconds=45)
# In seconds: how often a drain looks which runs are over.
FINISH_EVERY = 1.0
# A drain waits this long for a batch that is nearly due; the tick finds the others.
LINGER = timedelta(seconds=3)

# Each run offers its oldest due batches, and the claim takes every run's first before
# any run's second: a small run is not stuck behind a large one.
CLAIM_DUE = """
    WITH offered AS (
        SELECT b.id, row_number() OVER (PARTITION BY r.id ORDER BY b.next_attempt_at) n
        FROM engagements_run r
        JOIN engagements_engagement e ON e.id = r.engagement_id AND e.state = 'active'
        JOIN externalapi_externalapiversion v ON v.id = r.version_id
        LEFT JOIN engagements_destination d ON d.connection_id = v.connection_id
        CROSS JOIN LATERAL (
            SELECT id, next_attempt_at FROM engagements_batch
            WHERE run_id = r.id AND state IN ('pending', 'retry')
              AND next_attempt_at <= clock_timestamp()
            ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ) b
        WHERE r.state IN ('expanding', 'sending')
          AND (d.blocked_until IS NULL OR d.blocked_until <= clock_timestamp())
    ), chosen AS (SELECT id FROM offered ORDER BY n, id LIMIT %(limit)s)
    UPDATE engagements_batch b
    SET state = 'leased', lease_token = gen_random_uuid(),
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
    FROM chosen WHERE b.id = chosen.id
    RETURNING b.id, b.run_id, b.lease_token
"""
TAKE_OFF = """
    UPDATE engagements_batch b
    SET state = CASE WHEN x.goes THEN 'sending' ELSE 'done' END,
        attempt_count = attempt_count + x.goes::int
    FROM unnest(%s::bigint[], %s::uuid[], %s::bool[]) AS x (id, token, goes)
    WHERE b.id = x.id AND b.state = 'leased' AND b.lease_token = x.token
      AND b.lease_until > clock_timestamp()
    RETURNING b.id
"""
NEXT_DUE = """
    SELECT min(greatest(b.next_attempt_at, d.blocked_until)) - clock_timestamp()
    FROM engagements_run r
    JOIN engagements_engagement e ON e.id = r.engagement_id AND e.state = 'active'
    JOIN externalapi_externalapiversion v ON v.id = r.version_id
    LEFT JOIN engagements_destination d ON d.connection_id = v.connection_id
    JOIN engagements_batch b ON b.run_id = r.id AND b.state IN ('pending', 'retry')
    WHERE r.state IN ('expanding', 'sending')
"""
PEOPLE = """
    SELECT d.batch_id, d.id, p.external_id, p.email, p.phone, p.attributes::text,
           e.name, e.time, e.properties::text, e.message_id
    FROM engagements_delivery d
    JOIN segments_profile p ON p.id = d.profile_id
    LEFT JOIN segments_event e ON e.id = d.event_id
    WHERE d.batch_id = ANY(%s) AND d.state = 'pending'
    ORDER BY d.batch_id, d.position
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A batch that this worker holds until its lease runs out."""

    batch_id: int
    run_id: int
    token: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One delivery of a batch with what personalization reads.

    `problem`: why the stored data cannot be read.
    """

    delivery_id: int
    profile: dict[str, object]
    event: dict[str, object]
    problem: Skip | None = None


def drain(
    budget: timedelta = BUDGET, call_for_help: Callable[[], None] | None = None
) -> bool:
    """Send what is due until nothing is, or `budget` is used; True if work remains.

    `call_for_help` is called once when there is more than one worker's handful: each
    worker that comes calls the next, until all are at it.
    """
    deadline = time.monotonic() + budget.total_seconds()
    finish_at = time.monotonic() + FINISH_EVERY
    with ThreadPoolExecutor(SENDERS) as senders:
        while time.monotonic() < deadline:
            # A small run is over before the large one beside it is.
            if time.monotonic() > finish_at:
                runs.finish()
                finish_at = time.monotonic() + FINISH_EVERY
            if workers.is_draining():
                break
            taken_in = audience.expand(audience.expandable_runs())
            claims = claim(CLAIM)
            # Not before a whole handful went out: while a connection is probed, who
            # came to help would find nothing and leave.
            if claims and _process(claims, senders) == CLAIM and call_for_help:
                call_for_help()
                call_for_help = None
            elif not claims and not taken_in and not _linger(deadline):
                break
    runs.finish()
    return _has_due_work()


def claim(limit: int) -> list[Claim]:
    """Take up to `limit` due batches for one lease, fairly between runs."""
    with connection.cursor() as cursor:
        lease = settings.DELIVERY_LEASE.total_seconds()
        cursor.execute(CLAIM_DUE, {"limit": limit, "lease": lease})
        return [
            Claim(batch_id=batch_id, run_id=run_id, token=token)
            for batch_id, run_id, token in cursor.fetchall()
        ]


def _process(claims: Sequence[Claim], senders: ThreadPoolExecutor) -> int:
    """Send what is claimed; return how many requests that were."""
    letters = list(_write(claims))
    paced = list(_pace(letters))
    intended = _intend(paced)
    results = list(senders.map(_send, intended))
    # Braze has answered: what is not written down now would be in doubt for ever.
    lease = settings.DELIVERY_LEASE.total_seconds()
    insist(lambda: outcomes.record(results), lease)
    breaker.note(paced, results)
    return len(results)


def _write(claims: Sequence[Claim]) -> Iterator[Letter]:
    """Render each claimed batch; a run that cannot be compiled stops its engagement."""
    people = _people([c.batch_id for c in claims])
    by_run: dict[int, list[Claim]] = defaultdict(list)
    for held in claims:
        by_run[held.run_id].append(held)
    for run in Run.objects.filter(pk__in=by_run).select_related(
        "engagement__segment", "version__external_api", "version__connection"
    ):
        try:
            recipe = compile_recipe(run.version, run.values)
            key = secrets.read_key(run.version.connection)
        except (ValueError, secrets.SecretError) as e:
            _stop(run, by_run[run.pk], str(e))
            continue
        for held in by_run[run.pk]:
            yield _letter(run, recipe, key, held, people[held.batch_id])


def _people(batch_ids: Sequence[int]) -> dict[int, list[Person]]:
    people: dict[int, list[Person]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE, [list(batch_ids)])
        for batch_id, *row in cursor:
            people[batch_id].append(_person(*row))
    return people


def _person(
    delivery_id: int,
    external_id: str | None,
    email: str,
    phone: str,
    attributes: str,
    *event: Any,
) -> Person:
    try:
        return Person(
            delivery_id=delivery_id,
            profile={
                **orjson.loads(attributes),
                "external_id": external_id,
                "email": email or None,
                "phone": phone or None,
            },
            event=_event(*event),
        )
    except orjson.JSONDecodeError as e:
        # The database holds numbers and depths that nothing can send.
        problem = Skip(code="template_error", message=f"The data is unreadable: {e}")
        return Person(delivery_id=delivery_id, profile={}, event={}, problem=problem)


def _event(
    name: str | None, at: datetime, properties: str, message_id: str
) -> dict[str, object]:
    if name is None:
        return {}
    return {
        "name": name,
        "time": at,
        "properties": orjson.loads(properties),
        "message_id": message_id,
    }


def _letter(
    run: Run, recipe: Recipe, key: str, held: Claim, people: Sequence[Person]
) -> Letter:
    rendered: list[Rendered] = []
    delivery_ids: list[int] = []
    skipped: dict[int, Skip] = {}
    shared = _shared_context(run)
    for person in people:
        parts = person.problem or recipe.render(
            {**shared, "profile": person.profile, "event": person.event}
        )
        if isinstance(parts, Skip):
            skipped[person.delivery_id] = parts
        else:
            rendered.append(parts)
            delivery_ids.append(person.delivery_id)
    letter = Letter(
        attempt_id=uuid.uuid4(),
        batch_id=held.batch_id,
        token=held.token,
        run=run,
        key=key,
        skipped=skipped,
        delivery_ids=delivery_ids,
    )
    if not rendered:
        return letter
    try:
        request, packed = recipe.definition.request(rendered)
    except ValueError as e:
        # Too big together, or one of them cannot be written as JSON: halves tell which.
        return letter.refused(str(e))
    return letter.filled(request, packed)


def _shared_context(run: Run) -> dict[str, object]:
    engagement = run.engagement
    return {
        "segment": {"name": engagement.segment.name, "id": engagement.segment_id},
        "engagement": {"name": engagement.name, "id": engagement.pk},
        # One "now" for the whole run: a retry renders the same text.
        "now": run.started_at,
    }


def _pace(letters: Iterable[Letter]) -> Iterator[Letter]:
    """Let through what the connections' budgets allow; put the rest back unused."""
    by_connection: dict[int, list[Letter]] = defaultdict(list)
    for letter in letters:
        if letter.request is None:
            yield letter
        else:
            by_connection[letter.run.version.connection_id].append(letter)
    for connection_id, waiting in by_connection.items():
        permits = breaker.take(connection_id, len(waiting))
        yield from waiting[: permits.granted]
        for letter in waiting[permits.granted :]:
            outcomes.put_back(letter.batch_id, letter.token, permits.wait)


def _intend(letters: Sequence[Letter]) -> list[Letter]:
    """Write down what is about to be sent, if it still may be.

    The engagements are share-locked: a pause or a cancel waits for this transaction,
    and after it none begins. Returns the letters that go on the wire.
    """
    with transaction.atomic():
        open_runs = _share_lock({letter.run.pk for letter in letters})
        held = [letter for letter in letters if _may_go(letter, open_runs)]
        taken = _take_off(held)
        held = [letter for letter in held if letter.batch_id in taken]
        outcomes.skip(held)
        go = [letter for letter in held if letter.request is not None]
        Attempt.objects.bulk_create([_attempt(letter) for letter in go])
    return go


def _share_lock(run_ids: set[int]) -> set[int]:
    """Lock the runs' engagements; return the runs that may send."""
    runs = Run.objects.filter(pk__in=run_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM engagements_engagement"
            " WHERE id = ANY(%s) AND state = 'active' ORDER BY id FOR SHARE",
            [list(runs.values_list("engagement_id", flat=True))],
        )
        active = [engagement_id for (engagement_id,) in cursor]
    # Read under the lock: a cancel that was waited for has committed.
    going = runs.filter(engagement_id__in=active, state__in=Run.OPEN)
    return set(going.values_list("pk", flat=True))


def _may_go(letter: Letter, open_runs: set[int]) -> bool:
    if letter.run.pk not in open_runs:
        outcomes.put_back(letter.batch_id, letter.token, timedelta(0))
        return False
    if letter.refusal:
        # The halves take only those along who have a payload.
        outcomes.skip([letter])
        outcomes.split(letter, letter.refusal)
        return False
    return True


def _take_off(letters: Sequence[Letter]) -> set[int]:
    """Move the batches on; one whose lease has run out is somebody else's, and stays.

    A batch in which nobody has a payload is done without a request.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            TAKE_OFF,
            [
                [letter.batch_id for letter in letters],
                [letter.token for letter in letters],
                [letter.request is not None for letter in letters],
            ],
        )
        return {batch_id for (batch_id,) in cursor}


def _attempt(letter: Letter) -> Attempt:
    assert letter.request is not None
    return Attempt(
        id=letter.attempt_id,
        batch_id=letter.batch_id,
        version_id=letter.run.version_id,
        key_version=letter.run.version.connection.key_version,
        worker=workers.process_name(),
        delivery_ids=letter.delivery_ids,
        item_count=letter.item_count,
        request_sha256=hashlib.sha256(letter.request.body or b"").hexdigest(),
    )


def _send(letter: Letter) -> Result:
    """Put one letter on the wire. Runs in a sender thread: no database here."""
    assert letter.request is not None
    try:
        answer = client.send(letter.request, letter.key)
    except client.TransportError as e:
        return Result.of_error(letter, e)
    return Result.of_answer(letter, answer)


def _stop(run: Run, claims: Sequence[Claim], reason: str) -> None:
    run.engagement.move([Engagement.State.ACTIVE], Engagement.State.BLOCKED, reason)
    for held in claims:
        outcomes.put_back(held.batch_id, held.token, timedelta(0))


def _linger(deadline: float) -> bool:
    """Wait for a batch that is due within LINGER; False when there is none."""
    due_in = _next_due_in()
    if due_in is None or due_in > LINGER:
        return False
    pause = max(due_in.total_seconds(), 0.01)
    if time.monotonic() + pause > deadline:
        return False
    time.sleep(pause)
    return True


def _next_due_in() -> timedelta | None:
    with connection.cursor() as cursor:
        cursor.execute(NEXT_DUE)
        due_in: timedelta | None = cursor.fetchone()[0]
    return due_in


def _has_due_work() -> bool:
    due_in = _next_due_in()
    return due_in is not None and due_in <= timedelta(0)
