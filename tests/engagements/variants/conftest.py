"""An engagement with variants, and what Braze got of each person."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from engagements.lifecycle import transitions
from engagements.models import Engagement
from engagements.variants import drawing, plan
from engagements.variants.plan import Variant, Variants
from segments.models import Profile
from tests import factories
from tests.engagements.sync.conftest import bodies

NAME = "Name of the User"
LONG = {NAME: "Dear {{ profile.first_name }}"}


def variants(*others: tuple[int, Mapping[str, str]]) -> Variants:
    """A and these: a share in percent, and the values that differ."""
    rest = 100 - sum(share for share, _ in others)
    made = [Variant("A", "Name A", rest)]
    for letter, (share, values) in zip("BCDE", others, strict=False):
        made.append(Variant(letter, f"Name {letter}", share, values))
    return plan.made(made)


HALF = variants((50, LONG))


@pytest.fixture
def tested(braze) -> Callable[..., Engagement]:
    """Make an engagement with variants for so many people, p0, p1, …; not active yet."""

    def make(people: int = 40, its: Variants = HALF, **fields: Any) -> Engagement:
        version = fields.pop("version", None)
        version = version or factories.make_version(connection=braze)
        those = [
            factories.make_profile(external_id=f"p{n}", first_name=f"N{n}")
            for n in range(people)
        ]
        fields.setdefault("trigger", Engagement.Trigger.SCHEDULE)
        engagement: Engagement = factories.make_engagement(
            factories.make_segment(those), version, variants=its.as_json(), **fields
        )
        return engagement

    return make


def begun(engagement: Engagement) -> Engagement:
    transitions.activate(engagement)
    return engagement


def number_of(engagement: Engagement, name: str) -> int:
    """The variant that chance draws for somebody, by hand."""
    person = Profile.objects.get(external_id=name)
    root = person.merged_into_id or person.pk
    return drawing.number(plan.of(engagement), engagement.pk, root)


def expected(engagement: Engagement) -> dict[str, str]:
    """What each person is to be called, by the variant that they get."""
    words = {1: "{}", 2: "Dear {}"}
    return {
        str(one.external_id): words[number_of(engagement, str(one.external_id))].format(
            one.attributes["first_name"]
        )
        for one in Profile.objects.filter(memberships__segment=engagement.segment_id)
    }


def got(sandbox) -> dict[str, str]:
    """What each person was called last."""
    return {one["external_id"]: one["first_name"] for one in bodies(sandbox)}
