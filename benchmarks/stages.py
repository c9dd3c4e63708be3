"""Where a person's time goes: the worker's stages one after the other, in this process.

The worker overlaps them; here each runs alone, so that it can be timed. Reading is
measured by itself, and what is left of writing requests is rendering and packing.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings

from benchmarks import engine
from benchmarks.bench import Bench
from benchmarks.report import Stages
from engagements.audience import expansion, people_data
from engagements.delivery import claims, outcomes
from engagements.delivery.attempts import intend
from engagements.delivery.loop import CLAIM_SIZE
from engagements.delivery.transport import send
from engagements.delivery.writing import write
from engagements.lifecycle import completion
from engagements.models import Run
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import PreparedRequest
from engagements.throttling import rate_limit
from externalapi.models import ExternalAPIVersion
from lemnisk_braze.local.processes import LocalError
from segments.models import Segment


def measure(segment: Segment, version: ExternalAPIVersion, bench: Bench) -> Stages:
    """Send the segment's people stage by stage; raise LocalError unless all arrived."""
    settings.ALLOWED_LOCAL_ADDRESSES = [bench.environment["ALLOWED_LOCAL_ADDRESSES"]]
    settings.CA_FILE = bench.environment["CA_FILE"]
    engine.forget_engagements()
    run = engine.activate(engine.make_engagement(segment, version))
    stages = Stages(people=segment.size)
    while stages.time("expand", lambda: expansion.expand(expansion.expandable_runs())):
        pass
    with ThreadPoolExecutor(CLAIM_SIZE) as senders:
        while taken := stages.time("claim", lambda: claims.claim(CLAIM_SIZE)):
            _claimed(stages, taken, senders)
    completion.finish()
    run.refresh_from_db()
    if run.state != Run.State.COMPLETED:
        raise LocalError("Not everybody was sent.")
    return stages


def _claimed(
    stages: Stages, taken: Sequence[Claim], senders: ThreadPoolExecutor
) -> None:
    before = stages.seconds["read people"]
    stages.time("read people", lambda: people_data.rows(taken))
    requests = stages.time("render and pack", lambda: list(write(taken)))
    # Writing read them once more.
    stages.seconds["render and pack"] -= stages.seconds["read people"] - before
    stages.time("pace", lambda: _pace(requests))
    going = stages.time("intend", lambda: intend(requests))
    results = stages.time("send", lambda: list(senders.map(send, going)))
    stages.time("record", lambda: outcomes.record(results))


def _pace(requests: Sequence[PreparedRequest]) -> None:
    rate_limit.take(requests[0].connection_id, 0, len(requests))
