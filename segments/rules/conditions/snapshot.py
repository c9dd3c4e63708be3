"""Who was in a segment at a time: {"snapshot": 3}, made by segments.life.snapshots.

Who is part of another person now counts as that person.
"""

from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import formats
from django.utils.timezone import localtime

from lemnisk_braze.lib.counted import counted
from segments.models import Profile, Segment, Snapshot, SnapshotMember
from segments.rules.kinds import Choice, Condition, Kind, Person, allow
from segments.rules.schema import an_object

MAX_ID = (1 << 63) - 1
GONE = "was in a segment, as a list kept that was deleted"


class InSnapshot(Kind):
    key = "snapshot"

    def validate(self, condition: Condition, where: str) -> None:
        allow(condition, {"snapshot"}, where)
        id = condition["snapshot"]
        if not isinstance(id, int) or isinstance(id, bool) or not 0 < id <= MAX_ID:
            raise ValidationError(f"{where}: a snapshot is named by its number.")

    def missing(self, condition: Condition) -> str:
        id = condition["snapshot"]
        is_there = Snapshot.objects.filter(pk=id).exists()
        return "" if is_there else f"the fixed list {id}"

    def choices(self, named: Collection[Any] = ()) -> list[Choice]:
        """Those that a rule has already: a fixed list is kept, and not chosen."""
        found = Snapshot.objects.filter(pk__in=named)
        segments = Segment.objects.in_bulk(
            [one.name for one in found], field_name="name"
        )
        return [
            Choice(
                value=one.pk,
                text=f"“{one.name}” on {formats.localize(localtime(one.taken_at))}",
                about=counted(one.size, "person", "people"),
                url=segments[one.name].get_absolute_url()
                if one.name in segments
                else "",
            )
            for one in found
        ]

    def schema(self) -> list[dict[str, Any]]:
        id = {"type": "integer", "minimum": 1, "maximum": MAX_ID}
        return [an_object({"snapshot": id})]

    def describe(self, condition: Condition) -> str:
        found = Snapshot.objects.filter(pk=condition["snapshot"]).first()
        if found is None:
            return GONE
        at = formats.localize(localtime(found.taken_at))
        return f"was in the segment “{found.name}” on {at}"

    def describe_not(self, condition: Condition) -> str:
        return self.describe(condition).replace("was in ", "was not in ", 1)

    def sql(self, condition: Condition, person: Person) -> str:
        id = condition["snapshot"]
        if person.is_few:
            rows = (
                f"SELECT y.id FROM segments_profile y"
                f" WHERE y.id = {person.id} OR y.merged_into_id = {person.id}"
            )
            return person.shared(
                f"((SELECT true FROM segments_snapshotmember x WHERE x.of_id = {id:d}"
                f" AND x.profile_id = ANY(ARRAY({rows})) LIMIT 1) IS TRUE)"
            )
        return person.shared(
            f"({person.id} IN (SELECT coalesce(y.merged_into_id, y.id)"
            f" FROM segments_snapshotmember x"
            f" JOIN segments_profile y ON y.id = x.profile_id"
            f" WHERE x.of_id = {id:d}))"
        )

    def shown(self, condition: Condition, person: Profile) -> str:
        rows = Profile.objects.filter(Q(pk=person.pk) | Q(merged_into=person))
        found = SnapshotMember.objects.filter(of=condition["snapshot"])
        is_in = found.filter(profile__in=rows).exists()
        return "They were in it then." if is_in else "They were not in it then."
