"""What the requests of a run's claims are written from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from engagements.audience import people_data
from engagements.audience.people_data import People, Rows
from engagements.delivery.writing.script import Script
from engagements.guards.asking import Asked
from engagements.outbox.claim import Claim
from engagements.personalization import delivery_ids
from engagements.personalization.columns import Group
from engagements.personalization.renderer import Skip
from engagements.sync import order
from engagements.sync.order import Overtaken


@dataclass(frozen=True, kw_only=True)
class Material:
    """A run's claims with the data of their people, and what the guards say of these.

    By the id as a batch has it: who is `kept` back and why, until when others are
    `put_off`, and which variant each has `drawn`; empty where there are none. `doubtful`
    are the batches whose people may have been sent already.
    """

    script: Script
    asked: Asked
    rows: Rows
    kept: Mapping[int, Skip]
    put_off: Mapping[int, datetime]
    drawn: Mapping[int, int]
    doubtful: Collection[int] = ()

    @cached_property
    def newer(self) -> Overtaken:
        """What was accepted for these people since their request was written first."""
        script = self.script
        if script.writes is None or not script.writes.is_aging:
            return {}
        claims = self.asked.claims
        repeats = [held for held in claims if order.is_repeat(script.run, held)]
        return order.since(script.run, repeats)

    def going(self, held: Claim) -> tuple[Claim, dict[int, datetime]]:
        """A batch without those who are sent later; and who they are, by place."""
        if not self.put_off:
            return held, {}
        later = {
            place: self.put_off[id]
            for place, id in enumerate(held.profile_ids)
            if id in self.put_off and place not in held.left_out
        }
        return held.without(later), later

    def group(self, held: Claim, people: People) -> Group:
        """A batch's people, as they are rendered."""
        script, ids = self.script, held.profile_ids
        return Group(
            shared=people_data.shared_context(script.run.engagement, held.now),
            profiles=people.profiles,
            events=people.events,
            engagements=self._named(held, people),
            variants=[self.drawn[ids[place]] for place in people.places]
            if self.drawn
            else (),
        )

    def _named(self, held: Claim, people: People) -> list[dict[str, object]]:
        """What `engagement` means to each, where their deliveries' names are asked."""
        first_run_id = self.script.names_of
        if first_run_id is None:
            return []
        entries = held.transition_ids or [0] * len(held.profile_ids)
        ids = (
            delivery_ids.delivery_id(
                first_run_id, held.profile_ids[place], entries[place]
            )
            for place in people.places
        )
        return delivery_ids.named(self.script.run.engagement, ids)
