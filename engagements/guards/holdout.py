"""Who is kept out by chance, so that others can be compared with them.

Of all engagements, and of one, each with a salt of its own. A hash of the person with
the salt says who: always the same people, and a larger share only adds to them. (P) The
person is who they are now: whoever turns out to be part of another counts as that one,
whom no merge moves; split off again, they are drawn as before.
"""

from collections.abc import Collection

from engagements.guards.asking import Asked, Guard, Verdicts
from engagements.personalization.renderer import Skip
from engagements.variants import drawing

GLOBAL_CODE, CODE = CODES = ("holdout_global", "holdout")


def held_out(people: Collection[int], share: float, salt: str) -> set[int]:
    """Of these people the share, in percent, that the salt draws."""
    return drawing.below(salt, people, int(share / 100 * drawing.ALL))


def place(person: int, salt: str) -> float:
    """Where they are between 0 and 100: below the share they are kept out."""
    return drawing.drawn(salt, person) / drawing.ALL * 100


def own_salt(engagement_id: int) -> str:
    return f"holdout of engagement {engagement_id}"


def _is_global_set(asked: Asked) -> bool:
    return bool(asked.site.holdout) and asked.engagement.heeds_global_holdout


def _ask_global(asked: Asked) -> Verdicts:
    holdout = asked.site.holdout
    assert holdout is not None
    found = held_out(set(asked.people.values()), holdout.share, holdout.salt)
    words = f"Kept out by chance: {holdout.share:g} % of all people are sent nothing."
    return asked.stopped(found, Skip(code=GLOBAL_CODE, message=words))


def _is_set(asked: Asked) -> bool:
    return asked.engagement.holdout_share > 0


def _ask(asked: Asked) -> Verdicts:
    share = asked.engagement.holdout_share
    salt = own_salt(asked.engagement.pk)
    found = held_out(set(asked.people.values()), share, salt)
    words = f"Kept out by chance: {share:g} % are not sent this Engagement."
    return asked.stopped(found, Skip(code=CODE, message=words))


GLOBAL = Guard(
    name="Holdout of all Engagements", is_set=_is_global_set, ask=_ask_global
)
GUARD = Guard(name="Holdout", is_set=_is_set, ask=_ask)
