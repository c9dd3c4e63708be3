"""The very request that one person would get, or what keeps it from being made."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit, urlunsplit

import orjson
from django.utils import timezone

from engagements import audience, delivery_ids
from engagements.columns import Group
from engagements.models import Delivery, Engagement
from engagements.personalization import MISSING, compile_value
from engagements.rendering import Recipe, compile_recipe
from externalapi.connection_use import User, why_not
from externalapi.definition import CompiledDefinition, compile_version
from externalapi.models import Connection, ExternalAPIVersion
from segments.models import Event, Membership, Profile, Segment

# The key of `Preview.problems` for what is wrong with no single parameter.
GENERAL = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A request with its key masked, or problems: parameter name → what to do.

    Where there are problems, `body` is empty: nothing would be sent.
    """

    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_sendable(self) -> bool:
        return not self.problems


def preview(
    version: ExternalAPIVersion,
    values: Mapping[str, str],
    segment: Segment,
    profile: Profile,
    event: Event | None = None,
    engagement: Engagement | None = None,
) -> Preview:
    """Render one person through the code that sends; nothing leaves."""
    context = audience.context(
        profile=profile,
        event=event,
        segment=segment,
        engagement_name=engagement.name if engagement else "",
        engagement_id=engagement.pk if engagement else None,
        delivery_id=delivery_ids.delivery_id(0, profile.pk, 0),
        now=timezone.now(),
    )
    return _preview(version, values, context)


def seen_by(shown: Preview, connection: Connection, user: User) -> Preview:
    """Return a preview without the address where its connection is for others."""
    if not why_not(connection, user):
        return shown
    parts = urlsplit(shown.url)
    return replace(shown, url=urlunsplit(("", "", parts.path, parts.query, "")))


def what_was_sent(delivery: Delivery) -> Preview:
    """Render a delivery again from its run's pinned version and values.

    Payloads are not kept. The person's data is today's: where it has changed since,
    this differs from what went out.
    """
    run = delivery.run
    context = audience.context(
        profile=delivery.profile,
        # Not delivery.event: it may be older than events are kept.
        event=Event.objects.filter(pk=delivery.event_id or 0).first(),
        segment=run.engagement.segment,
        engagement_name=run.engagement.name,
        engagement_id=run.engagement_id,
        delivery_id=delivery_ids.of_delivery(delivery),
        now=run.started_at,
    )
    return _preview(run.version, run.values, context)


def member_event(segment: Segment, profile: Profile) -> Event | None:
    """The event that brought the person into the segment."""
    membership = (
        Membership.objects.filter(segment=segment, profile=profile)
        .select_related("event")
        .first()
    )
    return membership.event if membership else None


def _preview(
    version: ExternalAPIVersion,
    values: Mapping[str, str],
    context: Mapping[str, object],
) -> Preview:
    try:
        definition = compile_version(version)
        if problems := _problems(definition, values, context):
            return Preview(problems=problems)
        return _request(version, compile_recipe(version, values), context)
    except ValueError as e:
        return Preview(problems={GENERAL: sentence(str(e))})


def _problems(
    definition: CompiledDefinition,
    values: Mapping[str, str],
    context: Mapping[str, object],
) -> dict[str, str]:
    # Rendering stops at the first problem; a marketer wants to see all of them.
    found = {}
    for parameter in definition.engagement_parameters:
        try:
            value = compile_value(values.get(parameter.name, "")).evaluate(context)
            if value is not MISSING and value != "":
                parameter.coerce(value)
            elif parameter.required and not parameter.default:
                found[parameter.name] = "This person has no value for it."
        except ValueError as e:
            found[parameter.name] = sentence(str(e))
    return found


def _request(
    version: ExternalAPIVersion, recipe: Recipe, context: Mapping[str, object]
) -> Preview:
    rendered, skipped = recipe.render(Group.of_one(context))
    if rendered is None:
        return Preview(problems={GENERAL: sentence(skipped[0].message)})
    request, _ = recipe.definition.request(rendered)
    return Preview(
        method=request.method,
        url=request.url,
        headers=_masked(version, request.headers),
        body=_pretty(request.body),
    )


def _masked(version: ExternalAPIVersion, headers: Mapping[str, str]) -> dict[str, str]:
    connection = version.connection
    key = f"Bearer ••••{connection.key_last_four}" if connection.key_version else ""
    return {**({"Authorization": key} if key else {}), **headers}


def _pretty(body: bytes | None) -> str:
    if not body:
        return ""
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")


def sentence(message: str) -> str:
    """A message of a lower part as a sentence of the screen."""
    text = message[:1].upper() + message[1:]
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
