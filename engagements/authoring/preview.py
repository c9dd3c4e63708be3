"""The very request that one person would get, or what keeps it from being made.

The person is read, rendered and written by the code that sends; only the wire is
missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit, urlunsplit

import orjson

from engagements.audience import people_data
from engagements.audience.people_data import People
from engagements.models import Batch, Delivery, Engagement
from engagements.personalization import delivery_ids
from engagements.personalization.columns import Group
from engagements.personalization.liquid import compile_value
from engagements.personalization.masking import Mask, masked
from engagements.personalization.renderer import Recipe, read_recipe, too_big, words
from engagements.variants import plan
from externalapi.connections.access import User, why_not
from externalapi.definitions.compiled import MissingParameterError
from externalapi.models import Connection, ExternalAPIVersion
from externalapi.template.batching import TooBigError
from externalapi.template.parameters import Level
from lemnisk_braze.lib import database_clock
from segments.models import Event, Membership, Profile, Segment

# The key of `Preview.problems` for what is wrong with no single parameter.
GENERAL = ""
NOW_NOTE = (
    "“now” is the time at which the request is written, for each person their own. "
    "Here it is this moment."
)
DELTA_NOTE = (
    "Only the attributes that Braze did not have were sent. Here are all of them."
)
ID_NOTE = "“engagement.delivery_id” is given when the request is written."


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A request with its key masked, or problems: parameter name → what to do.

    Where there are problems, `body` is empty: nothing would be sent. `notes` say what
    the person goes without, and what will read otherwise when it is sent.
    """

    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

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
    mask: Mask | None = None,
) -> Preview:
    """Render one person through the code that sends; nothing leaves.

    With a `mask` what comes from the person is masked in the body, and constants are
    not; address and headers are those of the External API.
    """
    known = engagement or Engagement(name="")
    seen_as = Engagement(pk=known.pk, name=known.name, segment=segment)
    context = people_data.shared_context(seen_as, database_clock.now())
    person = people_data.person(profile.pk, event.pk if event else None)
    name = delivery_ids.delivery_id(0, profile.pk, 0)
    group = _group(seen_as, context, person, name)
    shown = _preview(version, values, group, person, mask)
    return replace(shown, notes=(*shown.notes, *_what_differs(values)))


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
    assert delivery.profile_id is not None
    written = Batch.objects.filter(pk=delivery.batch_id, written_at__isnull=False)
    now = written.values_list("written_at", flat=True).first() or run.started_at
    context = people_data.shared_context(run.engagement, now)
    person = people_data.person(delivery.profile_id, delivery.event_id)
    name = delivery_ids.of_delivery(delivery)
    group = _group(run.engagement, context, person, name)
    values = plan.of(run).values(delivery.variant, run.values)
    shown = _preview(run.version, values, group, person)
    if run.engagement.sends_deltas:
        shown = replace(shown, notes=(*shown.notes, DELTA_NOTE))
    return shown


def member_event(segment: Segment, profile: Profile, trigger: str = "") -> Event | None:
    """The event that brought the person into the segment; of each event the newest."""
    if trigger == Engagement.Trigger.EACH_EVENT:
        lines = segment.transitions.filter(profile=profile, kind__in=("entry", "again"))
        newest = lines.select_related("event").order_by("-pk").first()
        if newest and newest.event:
            return newest.event
    membership = (
        Membership.objects.filter(segment=segment, profile=profile)
        .select_related("event")
        .first()
    )
    return membership.event if membership else None


def _group(
    engagement: Engagement, context: dict[str, object], person: People, delivery_id: str
) -> Group:
    return Group(
        shared=context,
        profiles=person.profiles,
        events=person.events,
        engagements=delivery_ids.named(
            engagement, [delivery_id for _ in person.places]
        ),
    )


def _preview(
    version: ExternalAPIVersion,
    values: Mapping[str, str],
    group: Group,
    person: People,
    mask: Mask | None = None,
) -> Preview:
    if person.skipped:
        return Preview(problems={GENERAL: sentence(person.skipped[0].message)})
    try:
        recipe, errors = read_recipe(version, values)
        if problems := _problems(recipe, {**errors, **recipe.problems(group)}, values):
            return Preview(problems=problems)
        shown = _request(version, recipe, group)
        if mask is None or not shown.is_sendable:
            return shown
        body = _request(version, masked(recipe, values, mask), group).body
        headers = {**shown.headers, **version.headers}
        return replace(shown, url=version.path, headers=headers, body=body)
    except TooBigError as e:
        return Preview(problems={GENERAL: too_big(e)})
    except ValueError as e:
        return Preview(problems={GENERAL: sentence(str(e))})


def _problems(
    recipe: Recipe, errors: Mapping[str, Exception], values: Mapping[str, str]
) -> dict[str, str]:
    """Of the parameters that the engagement asks for, in their order.

    Rendering stops at the first problem; a marketer wants to see all of them.
    """
    return {
        parameter.name: _problem(errors[parameter.name], parameter.name in values)
        for parameter in recipe.definition.parameters
        if parameter.level == Level.ENGAGEMENT and parameter.name in errors
    }


def _problem(error: Exception, is_filled_in: bool) -> str:
    if not isinstance(error, MissingParameterError):
        return sentence(words(error))
    if is_filled_in:
        return "This person has no value for it."
    return "Not filled in yet."


def _request(version: ExternalAPIVersion, recipe: Recipe, group: Group) -> Preview:
    rendered, skipped = recipe.render(group)
    if rendered is None:
        return Preview(problems={GENERAL: sentence(skipped[0].message)})
    request, _ = recipe.definition.request(rendered)
    return Preview(
        method=request.method,
        url=request.url,
        headers=_masked(version, request.headers),
        body=_shown(request.body or b"", is_json=recipe.definition.is_json),
        notes=tuple(rendered.left_out.values()),
    )


def _what_differs(values: Mapping[str, str]) -> list[str]:
    """What a preview cannot know of the request."""
    paths: set[tuple[str, ...]] = set()
    for text in values.values():
        try:
            paths |= compile_value(text).variables
        except ValueError:
            # It is among the problems.
            continue
    told = {("now",): NOW_NOTE, ("engagement", "delivery_id"): ID_NOTE}
    return [note for path, note in told.items() if path in paths]


def _masked(version: ExternalAPIVersion, headers: Mapping[str, str]) -> dict[str, str]:
    connection = version.connection
    key = f"Bearer ••••{connection.key_last_four}" if connection.key_version else ""
    return {**({"Authorization": key} if key else {}), **headers}


def _shown(body: bytes, *, is_json: bool) -> str:
    """A text is shown as it is, though it may read as JSON."""
    if not is_json:
        return body.decode(errors="replace")
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()


def sentence(message: str) -> str:
    """A message of a lower part as a sentence of the screen."""
    text = message[:1].upper() + message[1:]
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
