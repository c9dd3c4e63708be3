"""What an activation will do to whom: its people's requests, written and not sent.

Of a small audience everybody is rendered, of a large one a sample, drawn by the hash of
the person and so of all ages and sources.
"""

import copy
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from engagements.audience import people_data, send_again
from engagements.guards import pipeline
from engagements.guards.asking import Asked, Verdict
from engagements.guards.site import look
from engagements.lifecycle import transitions
from engagements.models import Engagement
from engagements.personalization import delivery_ids
from engagements.personalization.columns import Context, Group
from engagements.personalization.renderer import (
    Recipe,
    Skip,
    compile_recipe,
    people_per_request,
)
from engagements.schedules import making
from engagements.sync import comparing, data_points, state
from engagements.sync.comparing import Comparison
from engagements.variants import drawing, plan
from engagements.variants.plan import NONE, Variants
from externalapi.definitions.compiled import Rendered
from externalapi.models import ExternalAPIVersion
from lemnisk_braze.lib import database_clock
from segments.models import Profile

SAMPLE = 2_000
# What somebody who presses Activate waits for it at most.
SECONDS = 1.5
# People rendered together; the clock is looked at between.
STEP = 50
EXAMPLES = 3

# Every n-th by the hash; the index has all that is asked.
_MEMBERS = """
    SELECT profile_id FROM segments_membership
    WHERE segment_id = %(segment)s
      AND abs(hashint8(profile_id)::bigint) %% %(every)s = 0
"""
# What is too many of them is left out by the hash, too.
_SAMPLE = """
    SELECT profile_id FROM ({people}) people
    ORDER BY hashint8(profile_id) LIMIT %(limit)s
"""

TOO_BIG = "More than one request takes (the filters “slice” and “truncate” shorten it)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A reason, how many of those looked at it skips, and some of them."""

    words: str
    # What is said of the first of them; it may hold their data.
    said: str
    # Whose value it is about, where that is one parameter's.
    parameter: str
    is_missing: bool
    count: int
    examples: Sequence[Profile]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What became of those who were looked at; all of them where `is_whole`."""

    looked_at: int
    is_whole: bool
    skipped: Sequence[Skipped]
    # The data points of those who are sent, and those that they, and whoever has nothing
    # new, save.
    points: int = 0
    points_saved: int = 0

    @property
    def skips(self) -> int:
        return sum(reason.count for reason in self.skipped)

    @property
    def sends(self) -> int:
        return self.looked_at - self.skips

    def points_of(self, people: int) -> int:
        """The data points of so many people looked at, as far as the sample tells."""
        return self._scaled(self.points, people)

    def saved_of(self, people: int) -> int:
        """As `points_of`, those that are saved."""
        return self._scaled(self.points_saved, people)

    def _scaled(self, count: int, people: int) -> int:
        if self.is_whole or not self.looked_at:
            return count
        return round(people * count / self.looked_at)

    def of(self, people: int) -> int:
        """How many of so many people will be sent, as far as the sample tells."""
        if self.is_whole:
            return self.sends
        if not self.looked_at:
            return people
        return round(people * self.sends / self.looked_at)


NOBODY = Forecast(looked_at=0, is_whole=True, skipped=())


def forecast(engagement: Engagement, people: int) -> Forecast:
    """Render those whom an activation sends to now, `people` as far as is known.

    Raises ValueError for a configuration that nobody can be rendered with.
    """
    if not people:
        return NOBODY
    looking = _Looking.at(engagement)
    ids = _ids(engagement, people)
    skips: dict[str, list[tuple[int, Skip]]] = defaultdict(list)
    looked_at, deadline = 0, time.monotonic() + SECONDS
    for first in range(0, len(ids), STEP):
        if time.monotonic() > deadline:
            break
        some = ids[first : first + STEP]
        looked_at += len(some)
        for profile_id, skip in looking.skips(some):
            skips[_words(skip)].append((profile_id, skip))
    some_of_each = {pk for those in skips.values() for pk, _ in those[:EXAMPLES]}
    known = Profile.objects.in_bulk(some_of_each)
    reasons = (_skipped(those, known) for those in skips.values())
    return Forecast(
        looked_at=looked_at,
        is_whole=looked_at >= people,
        skipped=sorted(reasons, key=lambda it: -it.count),
        points=looking.points,
        points_saved=looking.saved,
    )


def _skipped(
    those: Sequence[tuple[int, Skip]], known: Mapping[int, Profile]
) -> Skipped:
    skip = those[0][1]
    words, said = _words(skip), skip.message.removeprefix(f"“{skip.parameter}”: ")
    return Skipped(
        words=words.removesuffix("."),
        said=said if said != words else "",
        parameter=skip.parameter,
        is_missing=skip.code == "missing_parameter",
        count=len(those),
        # Somebody may have been deleted meanwhile.
        examples=[known[pk] for pk, _ in those[:EXAMPLES] if pk in known],
    )


def _words(skip: Skip) -> str:
    """The reason without anybody's data, so that one line stands for all of them."""
    if skip.code == "too_big":
        return TOO_BIG
    if skip.code != "template_error":
        return skip.message
    if skip.parameter:
        return f"“{skip.parameter}” has a value that cannot be sent"
    return "A value cannot be worked out"


def _ids(engagement: Engagement, people: int) -> Sequence[int]:
    """The sample, without those whom the engagement sends to no more."""
    params: dict[str, Any] = {
        "segment": engagement.segment_id,
        "every": max(people // SAMPLE, 1),
        "limit": SAMPLE,
    }
    members = _MEMBERS
    if send_again.is_guarded(engagement) and engagement.runs.exists():
        members, own = send_again.allowed_people(engagement, _MEMBERS)
        params |= own
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLE.format(people=members), params)
        return [profile_id for (profile_id,) in cursor]


@dataclass(slots=True, kw_only=True)
class _Looking:
    """An engagement's recipe, and the data points counted so far."""

    engagement: Engagement
    recipe: Recipe
    comparison: Comparison | None
    shared: Context
    points: int = 0
    saved: int = 0

    @classmethod
    def at(cls, engagement: Engagement) -> "_Looking":
        return cls(
            engagement=engagement,
            recipe=compile_recipe(
                engagement.version, engagement.values, plan.of(engagement)
            ),
            comparison=comparing.compile_comparison(engagement, engagement)
            if engagement.compares
            else None,
            shared=people_data.shared_context(engagement, database_clock.now()),
        )

    def skips(self, ids: Sequence[int]) -> Iterator[tuple[int, Skip]]:
        """Who of them would be skipped, and why."""
        engagement = self.engagement
        memberships = engagement.segment.memberships.filter(profile__in=ids)
        members = dict(memberships.values_list("profile_id", "event_id"))
        for profile_id, why in _stopped(engagement, members).items():
            # Who is only sent later is sent.
            if isinstance(why, Skip):
                del members[profile_id]
                yield profile_id, why
        people = people_data.those(members)
        who = list(members)
        for place, skip in people.skipped.items():
            yield who[place], skip
        there = [who[place] for place in people.places]
        group = Group(
            shared=self.shared,
            profiles=people.profiles,
            events=people.events,
            engagements=_named(engagement, there),
            variants=_drawn(engagement, there),
        )
        for n, skip in self._skips_of(group, there):
            yield there[n], skip

    def _skips_of(self, group: Group, ids: Sequence[int]) -> Iterator[tuple[int, Skip]]:
        rendered, skipped = self._rendered(group, ids)
        yield from skipped.items()
        if rendered is None:
            return
        going = [n for n in range(len(group)) if n not in skipped]
        rest, unsendable = self.recipe.sendable(rendered)
        self.points += sum(map(data_points.of_body, rest.bodies))
        for position, skip in unsendable.items():
            yield going[position], skip

    def _rendered(
        self, group: Group, ids: Sequence[int]
    ) -> tuple[Rendered | None, Mapping[int, Skip]]:
        if self.comparison is None:
            return self.recipe.render(group)
        known = state.known(self.engagement.pk, self.comparison.epoch, ids)
        compared = self.comparison.render(
            self.recipe, group, [known.get(id) for id in ids]
        )
        self.saved += compared.saved
        self.saved += sum(mark.saved for mark in compared.marks.values())
        return compared.rendered, compared.skipped


def _stopped(engagement: Engagement, ids: Iterable[int]) -> Mapping[int, Verdict]:
    """Members are nobody's part: what a merge takes leaves the segment."""
    return pipeline.stopped(
        Asked(
            engagement=engagement,
            site=look(),
            people={id: id for id in ids},
            now=database_clock.now(),
            excluded=list(engagement.exclusions.values_list("segment_id", flat=True)),
        )
    )


def _named(engagement: Engagement, ids: Sequence[int]) -> list[dict[str, object]]:
    """What `engagement` means to each, where their deliveries' names are asked."""
    each = plan.of(engagement).each(engagement.values)
    if not any(delivery_ids.are_named(own.values()) for own in each):
        return []
    own = (delivery_ids.delivery_id(0, profile_id, 0) for profile_id in ids)
    return delivery_ids.named(engagement, own)


def _drawn(engagement: Engagement, ids: Sequence[int]) -> list[int]:
    """Which variant each gets; empty where there are none. Members are nobody's part."""
    variants = plan.of(engagement)
    return [drawing.number(variants, engagement.pk, id) for id in ids if variants]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """What the next run after a move sends, to people whom it would leave out now."""

    people: int
    # Data points, estimated where `is_about`.
    points: int
    is_about: bool


def resend(
    engagement: Engagement,
    version: ExternalAPIVersion,
    values: Mapping[str, str],
    variants: Variants = NONE,
) -> Resend | None:
    """How much reads differently with a version and values; None where all is sent.

    Of those whom Braze has accepted; with a sample it is estimated.
    """
    if not engagement.compares:
        return None
    moved = copy.copy(engagement)
    moved.version, moved.values = version, dict(values)
    moved.variants = variants.as_json()
    people = engagement.segment.memberships.count()
    try:
        now, then = forecast(engagement, people), forecast(moved, people)
    except ValueError:
        return None
    return Resend(
        people=max(then.of(people) - now.of(people), 0),
        points=max(then.points_of(people) - now.points_of(people), 0),
        is_about=not (now.is_whole and then.is_whole),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What an activation would do: people now, the requests that they take."""

    people: int
    # How many of them will be sent; estimated where the forecast is of a sample.
    sends: int
    requests: int
    # Batches are not all full, and who is sent at another time goes in another request.
    requests_are_about: bool
    # People of the segment whom it sent to before (Engagement.again); None where that
    # takes too long to count. Then the numbers above are at most so many.
    left_out: int | None
    forecast: Forecast
    # Data points of those who are sent; estimated in the same way.
    points: int
    points_saved: int
    is_tested: bool
    starts_later: bool

    @property
    def is_at_most(self) -> bool:
        return self.left_out is None


def people_now(engagement: Engagement) -> tuple[int, int | None]:
    """Whom an activation takes in at once, and of the segment those it leaves out.

    None of these where counting them takes too long; then all are taken in.
    """
    affected = transitions.people_affected(engagement)
    left_out = send_again.members_left_out(engagement) if affected else 0
    return max(affected - (left_out or 0), 0), left_out


def activation_impact(engagement: Engagement) -> Impact:
    """The numbers of the page that asks before an activation."""
    people, left_out = people_now(engagement)
    return impact(engagement, people, left_out)


def impact(
    engagement: Engagement,
    people: int,
    left_out: int | None = 0,
    *,
    looks: bool = True,
) -> Impact:
    """The numbers for so many people; without a look at the segment's all are sent."""
    seen = _forecast(engagement, people) if looks else NOBODY
    sends = seen.of(people) if looks else people
    requests, are_about = _requests(engagement, people, sends)
    return Impact(
        people=people,
        sends=sends,
        left_out=left_out,
        requests=requests,
        requests_are_about=are_about or not seen.is_whole,
        forecast=seen,
        points=seen.points_of(people),
        points_saved=seen.saved_of(people),
        is_tested=engagement.version.base.tests.filter(is_success=True).exists(),
        starts_later=_starts_later(engagement),
    )


def _requests(engagement: Engagement, people: int, sends: int) -> tuple[int, bool]:
    """How many requests it takes to send so many of these people; whether about so many.

    Each is what is left of a batch of them, if somebody is: who is sent is taken to be
    spread evenly over the batches. Where a request has room for one variant only, those
    of the others leave each batch for ones of their own.
    """
    own = engagement.version, engagement.values, plan.of(engagement)
    try:
        recipe, room = compile_recipe(*own), people_per_request(*own)
    except ValueError:
        # Activation refuses this version and says why; the page itself must open.
        return sends, False
    if room == 1 or not sends:
        return sends, False
    apart = plan.of(engagement).shares[1:] if recipe.is_of_one_variant else ()
    batches = -(-people // room)
    left = batches * (1 - (1 - min(sends / people, 1)) ** room)
    count = round(left) + sum(
        -(-sends * share // (room * plan.HUNDREDTHS)) for share in apart
    )
    is_spread = bool(engagement.zone_attribute or engagement.quiet_from)
    smallest = people - (batches - 1) * room
    # With fewer skipped than the smallest batch has people, each has somebody left.
    return count, is_spread or bool(apart) or people - sends >= smallest


def _forecast(engagement: Engagement, people: int) -> Forecast:
    try:
        return forecast(engagement, people)
    except ValueError:
        return NOBODY


def _starts_later(engagement: Engagement) -> bool:
    """Whether no run is due at once, were it activated now; of one at work it is one."""
    is_at_rest = engagement.state in Engagement.AT_REST
    if not is_at_rest or engagement.trigger != Engagement.Trigger.SCHEDULE:
        return False
    return making.due_if_activated(engagement, database_clock.now()) is None
