"""Room under frequency caps, for those whose requests are written together."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from engagements.guards import caps
from engagements.guards.asking import Asked
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import PreparedRequest
from engagements.personalization.renderer import Skip

# Batch → place → why there is no room for this person.
Over: TypeAlias = Mapping[int, Mapping[int, Skip]]


@dataclass(slots=True, kw_only=True)
class Room:
    """The room under caps that the people of some claims take, and give back."""

    asked: Asked
    stopped: Collection[int]
    reserved: caps.Reserved = caps.NOTHING
    claims: Mapping[int, Claim] = field(default_factory=dict)

    def take(self, claims: Sequence[Claim]) -> Over:
        """Take it for whoever is in the claims; who has none, and why."""
        if self.asked.site.caps:
            self.claims = {held.batch_id: held for held in claims}
            self.reserved = caps.reserve(self.asked, claims, self.stopped)
        return self.reserved.over

    def give_back(self, requests: Sequence[PreparedRequest]) -> None:
        """Let others have that of whoever has nothing to be sent now.

        But for those whom an earlier request may have reached.
        """
        if not self.reserved.at:
            return
        known = (prepared for prepared in requests if not prepared.is_in_doubt)
        people = [one for prepared in known for one in self._not_sent(prepared)]
        assert self.asked.run
        caps.give_back(self.asked.run.pk, self.reserved, people)

    def _not_sent(self, prepared: PreparedRequest) -> Iterator[caps.Person]:
        held = self.claims[prepared.batch_id]
        entries = held.transition_ids or [0] * len(held.profile_ids)
        over = self.reserved.over.get(held.batch_id, {})
        those = {*prepared.skipped, *prepared.later}.difference(held.left_out, over)
        for place in those:
            if held.profile_ids[place] not in self.stopped:
                yield held.profile_ids[place], entries[place] or 0
