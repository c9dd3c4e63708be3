"""Engagements and their runs, down to one person's delivery."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone

from engagements.guards import approved
from engagements.models import Approval, Attempt, Batch, Delivery, Engagement, Run
from externalapi.models import ExternalAPIVersion
from segments.models import Profile, Segment
from tests.factories.externalapi import make_version
from tests.factories.segments import make_people, make_profile, make_segment

_number = itertools.count(1)


def make_engagement(
    segment: Segment | None = None,
    version: ExternalAPIVersion | None = None,
    values: Mapping[str, str] | None = None,
    **fields: Any,
) -> Engagement:
    """A draft whose one required parameter has a value."""
    fields.setdefault("name", f"Lead form {next(_number)}")
    if values is None:
        values = {"Name of the User": "{{ profile.first_name }}"}
    return Engagement.objects.create(
        segment=segment or make_segment(),
        version=version or make_version(),
        values=dict(values),
        **fields,
    )


def make_approval(engagement: Engagement, **fields: Any) -> Approval:
    """One that waits, asked for by nobody who is there any more."""
    fields.setdefault("people", 5_000)
    fields.setdefault("content", approved.content(engagement))
    fields.setdefault("digest", approved.digest(fields["content"]))
    return Approval.objects.create(engagement=engagement, **fields)


def make_run(engagement: Engagement | None = None, **fields: Any) -> Run:
    """A run pinned to its engagement's version, values and variants."""
    engagement = engagement or make_engagement()
    fields.setdefault("scheduled_for", timezone.now())
    fields.setdefault("version", engagement.version)
    fields.setdefault("values", engagement.values)
    fields.setdefault("variants", engagement.variants)
    return Run.objects.create(engagement=engagement, **fields)


def make_batch(
    run: Run | None = None,
    people: Iterable[Profile] | int = 1,
    *,
    delivery_state: str = "",
    reason: str = "",
    **fields: Any,
) -> Batch:
    """A batch of `people`: profiles, or how many to make.

    With a state (`delivery_state`), each of them has a delivery.
    """
    run = run or make_run()
    if isinstance(people, int):
        people = make_people(people)
    fields.setdefault("sequence", run.batches.count())
    fields.setdefault("profile_ids", [profile.pk for profile in people])
    fields.setdefault("state", Batch.State.DONE if delivery_state else "pending")
    batch = Batch.objects.create(run=run, **fields)
    for profile in people if delivery_state else ():
        make_delivery(profile, run, batch=batch, state=delivery_state, reason=reason)
    return batch


def make_delivery(
    profile: Profile | None = None, run: Run | None = None, **fields: Any
) -> Delivery:
    """What became of one person, alone in a batch."""
    run = run or make_run()
    profile = profile or make_profile(first_name="Ann")
    fields.setdefault("state", Delivery.State.SENT)
    if "batch" not in fields:
        fields["batch"] = make_batch(run, [profile], state=Batch.State.DONE)
    batch = fields["batch"]
    if fields["state"] == Delivery.State.SENT:
        batch.sent_count += 1
        batch.save(update_fields=["sent_count"])
    if fields["state"] == Delivery.State.SKIPPED:
        code = fields.get("reason", "").partition(":")[0]
        batch.skip_counts[code] = batch.skip_counts.get(code, 0) + 1
        batch.save(update_fields=["skip_counts"])
    return Delivery.objects.create(run=run, profile=profile, **fields)


def make_attempt(batch: Batch, **fields: Any) -> Attempt:
    """A request for all of the batch that was accepted."""
    fields.setdefault("version", batch.run.version)
    fields.setdefault("key_version", 1)
    fields.setdefault("worker", "worker-1")
    fields.setdefault("item_count", len(batch.profile_ids))
    fields.setdefault("request_sha256", "0" * 64)
    fields.setdefault("outcome", Attempt.Outcome.SENT)
    fields.setdefault("status", 201)
    fields.setdefault("duration_ms", 42)
    return Attempt.objects.create(batch=batch, **fields)
