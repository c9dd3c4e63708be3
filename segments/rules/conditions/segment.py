"""Who is in another segment: {"segment": 12}.

It is asked of the segment's people as they stand, whatever its rule: one that is paused
or archived keeps those it had, and one that is a draft or was deleted has nobody. Who
enters or leaves it is asked again in the same transaction (membership.evaluation). In
none of a circle: membership.references refuses it.
"""

from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import formats
from django.utils.timezone import localtime

from lemnisk_braze.lib.counted import counted
from segments.models import Membership, Profile, Segment
from segments.rules.kinds import Choice, Condition, Kind, Person, allow, offered
from segments.rules.schema import an_object

MAX_ID = (1 << 63) - 1
ID = {"type": "integer", "minimum": 1, "maximum": MAX_ID}
GONE = "a segment that was deleted"


class InSegment(Kind):
    key = "segment"

    def validate(self, condition: Condition, where: str) -> None:
        allow(condition, {"segment"}, where)
        if not is_id(condition["segment"]):
            raise ValidationError(f"{where}: choose a segment.")

    def schema(self) -> list[dict[str, Any]]:
        return [an_object({"segment": ID})]

    def choices(self, named: Collection[Any] = ()) -> list[Choice]:
        rows = Segment.objects.filter(Q(archived_at=None) | Q(pk__in=named))
        return [
            Choice(
                value=one.pk,
                text=one.name,
                about=_about(one),
                url=one.get_absolute_url(),
            )
            for one in offered(rows, named)
        ]

    def describe(self, condition: Condition) -> str:
        found = Segment.objects.filter(pk=condition["segment"])
        name = found.values_list("name", flat=True).first()
        return f"is in the segment “{name}”" if name else f"is in {GONE}"

    def describe_not(self, condition: Condition) -> str:
        return self.describe(condition).replace("is in ", "is not in ", 1)

    def sql(self, condition: Condition, person: Person) -> str:
        return person.belongs(
            self.key,
            condition["segment"],
            "(EXISTS (SELECT FROM segments_membership m"
            f" WHERE m.segment_id = {condition['segment']:d}"
            f" AND m.profile_id = {person.id}))",
        )

    def shown(self, condition: Condition, person: Profile) -> str:
        found = Membership.objects.filter(
            segment=condition["segment"], profile=person.pk
        )
        since = found.values_list("since", flat=True).first()
        if since is None:
            return "They are not in it."
        return f"They are in it since {formats.localize(localtime(since))}."


def _about(segment: Segment) -> str:
    """How many people it has, and its state where nobody enters or leaves."""
    people = counted(segment.size, "person", "people")
    is_live = segment.state == Segment.State.LIVE
    return people if is_live else f"{people}, {segment.state.label.lower()}"


def is_id(value: object) -> bool:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return is_whole and 0 < value <= MAX_ID  # type: ignore[operator]
