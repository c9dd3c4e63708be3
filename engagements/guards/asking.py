"""What a guard is asked, and what it answers."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeAlias

from engagements.guards.site import Site
from engagements.models import Engagement, Run
from engagements.outbox.claim import Claim
from engagements.personalization.renderer import Skip
from segments.models import copying


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Not before `at`; `message` says why, for people."""

    at: datetime
    message: str


Verdict: TypeAlias = Skip | Later
# By the person's id as the batch has it.
Verdicts: TypeAlias = Mapping[int, Verdict]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """People whose requests are about to be written, of one engagement.

    `people`: the id as a batch has it → the id of the person they are part of by now,
    mostly the same. `run` is None where nothing is sent: before an activation, and
    where somebody asks about one person.
    """

    engagement: Engagement
    site: Site
    people: Mapping[int, int]
    now: datetime
    # Ids of the segments that the engagement excludes.
    excluded: Collection[int] = ()
    run: Run | None = None
    claims: Sequence[Claim] = ()

    @cached_property
    def roots(self) -> str:
        """The people as they are now, as PostgreSQL reads a list of numbers."""
        return copying.id_array(self.people.values())

    @property
    def channel(self) -> str:
        """That of the External API, where the site asks for one."""
        version = self.run.version if self.run else self.engagement.version
        return self.site.channels.get(version.external_api_id, "")

    @cached_property
    def merged(self) -> Collection[int]:
        return {id for id, root in self.people.items() if id != root}

    def stopped(self, roots: Collection[int], why: Verdict) -> Verdicts:
        """The same verdict for whoever is one of these people now."""
        if not roots:
            return {}
        return {id: why for id, root in self.people.items() if root in roots}


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """`name` is its word on the pages; `is_set`: whether there is anything to ask."""

    name: str
    is_set: Callable[[Asked], bool]
    ask: Callable[[Asked], Verdicts]
