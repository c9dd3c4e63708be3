"""What people of an engagement would get, for whoever is asked to approve it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import orjson

from engagements.authoring.preview import Preview, member_event, preview, seen_by
from engagements.lifecycle.approval import AnyUser
from engagements.models import Approval, Engagement
from engagements.variants import drawing, plan
from externalapi.models import ExternalAPIVersion
from segments import naming
from segments.models import Profile

SAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Somebody's request, as far as the user who looks may see it."""

    name: str
    preview: Preview


def of(user: AnyUser, asked: Approval) -> Iterator[Sample]:
    """What the newest of the segment would get, masked for whoever may not see that."""
    engagement = asked.engagement
    segment, connection = engagement.segment, engagement.version.connection
    kept = asked.kept_run or engagement
    variants = plan.of(kept)
    for person in _newest(engagement):
        number = (
            drawing.number(variants, engagement.pk, person.pk) if variants else None
        )
        values = variants.values(number, kept.values)
        event = member_event(segment, person, engagement.trigger)
        shown = preview(kept.version, values, segment, person, event, engagement)
        shown = seen_by(shown, connection, user)
        if not naming.may_see_people(user):
            shown = _masked(shown, kept.version)
        who = naming.called(person, user)
        variant = variants.name(number)
        yield Sample(
            name=f"{who}, variant {variant}" if variant else who, preview=shown
        )


def _newest(engagement: Engagement) -> Sequence[Profile]:
    members = engagement.segment.memberships.select_related("profile")
    return [one.profile for one in members.order_by("-pk")[:SAMPLES]]


def _masked(shown: Preview, version: ExternalAPIVersion) -> Preview:
    """The same without anybody's data: what is in the body, and not what it says.

    Of address and headers what the External API has there.
    """
    headers = {**shown.headers, **version.headers} if shown.headers else {}
    shown = replace(shown, url=version.path, headers=headers)
    problems = dict.fromkeys(shown.problems, "Nothing would be sent to this person.")
    try:
        body = orjson.loads(shown.body)
    except orjson.JSONDecodeError:
        return replace(shown, body=naming.GAP, problems=problems, notes=())
    text = orjson.dumps(naming.masked(body), option=orjson.OPT_INDENT_2).decode()
    return replace(shown, body=text, problems=problems, notes=())
