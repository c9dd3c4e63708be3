"""Erasing somebody: who is meant, what goes, and going on until all of it has gone.

Their rows go first, with the tombstones and under the inbox's lock, in one transaction:
no applied message slips between. Place by place follows what else names them, each in a
transaction that also notes it, so that a kill anywhere repeats one place at most.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.database_errors import About, about, in_words
from lemnisk_braze.lib.logs import get_logger
from segments.identity import tombstones
from segments.identity.calls import CONTACTS, EXTERNAL_ID, PLACEHOLDER, Key
from segments.ingest import inbox
from segments.models import (
    Erasure,
    Event,
    Identifier,
    Membership,
    Profile,
    Transition,
)
from segments.privacy import elsewhere, places
from segments.privacy.naming import Named

logger = get_logger(__name__)

State = Erasure.State
# In seconds: how long somebody waits for a page, or a tick for its other work.
PATIENCE = 10.0
# An erasure in somebody's hands is left alone for so long, and after a failure.
LEASE = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(hours=1)
ELSEWHERE = "elsewhere"
PEOPLE, KEPT_OUT = "people", "identifiers that are kept out"


class NobodyMeantError(ValueError):
    """No identifier is there, or one is of no kind that names anybody."""


class SeveralPeopleError(ValueError):
    """An identifier is of several people; the text says of how many."""

    def __init__(self, key: Key, people: Collection[int]) -> None:
        kind, value = key
        super().__init__(
            f"{len(people)} people have the {kind} “{value}”: name the one who is meant"
            " by an external ID as well."
        )
        self.key, self.people = key, people


def normal(kind: str, value: str) -> Key:
    """An identifier as it is kept, however it was typed; raises NobodyMeantError."""
    kind, value = kind.strip(), value.strip()
    kept = CONTACTS[kind](value) if kind in CONTACTS else value
    if not kind or not kept or kind == PLACEHOLDER:
        raise NobodyMeantError("Say the kind of the identifier, and its value.")
    return kind, kept


def erase(
    identifiers: Iterable[Key],
    *,
    asked_through: str,
    by: AbstractBaseUser | None = None,
    may_return: bool = False,
    also_at: tuple[int, str] | None = None,
    seconds: float = PATIENCE,
) -> Erasure:
    """Erase whom these (kind, value) name, and keep them out; return what went so far.

    `asked_through`: the page, command or API, for the list of erasures. `may_return`:
    what they do from now on makes a new person, who has nothing of the old one.
    `also_at`: (id, name) of an External API that deletes them too. Identifiers that
    nobody has are kept out as well. What is not done after `seconds` the tick goes on
    with. Raises NobodyMeantError and SeveralPeopleError, having done nothing.
    """
    keys = {normal(*key) for key in identifiers}
    if not keys:
        raise NobodyMeantError("Name somebody by an identifier.")
    with transaction.atomic():
        _keep_everybody_out()
        people = who(keys)
        erasure = _erase(people, keys, asked_through, by, may_return, also_at)
    return _went_on(erasure, seconds)


def erase_person(
    person: Profile,
    *,
    asked_through: str,
    by: AbstractBaseUser | None = None,
    may_return: bool = False,
    also_at: tuple[int, str] | None = None,
    seconds: float = PATIENCE,
) -> Erasure:
    """The same for a row, with all that it is one with."""
    with transaction.atomic():
        _keep_everybody_out()
        people = {person.merged_into_id or person.pk}
        erasure = _erase(people, set(), asked_through, by, may_return, also_at)
    return _went_on(erasure, seconds)


def who(keys: Collection[Key]) -> set[int]:
    """Whom these identifiers name, by the ids of their roots.

    Raises SeveralPeopleError where one is of several, and no other says which.
    """
    found = {key: people_of(key) for key in keys}
    sure: set[int] = set().union(*(p for p in found.values() if len(p) == 1))
    for key, people in found.items():
        if len(people) > 1 and not people & sure:
            raise SeveralPeopleError(key, people)
    return sure


def people_of(key: Key) -> set[int]:
    """Whose an identifier is, by the ids of their roots.

    Of one that was said of several known people, and so is nobody's, what it did alone.
    """
    kind, value = key
    said = Identifier.objects.filter(kind=kind, value=value)
    if kind in CONTACTS:
        return _roots(said.filter(is_void=False)) | _roots_with(key)
    people = _roots_with(key) if kind == EXTERNAL_ID else set()
    return (
        people or _roots(said.filter(is_own=True)) or _roots(said.filter(is_void=False))
    )


def _roots(said: QuerySet[Identifier]) -> set[int]:
    found = said.values_list("profile", "profile__merged_into")
    return {root or pk for pk, root in found}


def _roots_with(key: Key) -> set[int]:
    rows = Profile.objects.filter(**{key[0]: key[1]})
    return {root or pk for pk, root in rows.values_list("pk", "merged_into")}


def what_goes(people: Collection[int]) -> dict[str, int]:
    """How many there are of what goes with these people, for the question before."""
    ids = _parts(people)
    counts = {
        PEOPLE: len(people),
        "identifiers": len(_as_kept(_keys_of(ids))),
        "events": Event.objects.filter(profile__in=ids).count(),
        "places in segments": Membership.objects.filter(profile__in=ids).count(),
        "entries and exits": Transition.objects.filter(profile__in=ids).count(),
    }
    return counts | {one.label: one.count(ids) for one in places.counters()}


def report(erasure: Erasure) -> list[tuple[str, int]]:
    """What went, in the order of its going; jsonb keeps none."""
    order = [PEOPLE, *what_goes(()), KEPT_OUT, *(p.label for p in places.all_places())]
    places_of = {label: place for place, label in enumerate(dict.fromkeys(order))}
    went = [(label, count) for label, count in erasure.went.items() if count]
    return sorted(went, key=lambda one: places_of.get(one[0], len(places_of)))


def named(person: Profile) -> Named:
    """What names somebody in texts, and nobody else; with the ids of all their rows."""
    ids = _parts([person.merged_into_id or person.pk])
    keys = _keys_of(ids)
    return Named(people=tuple(ids), keys=frozenset(keys - _shared(keys, ids)))


def go_on(erasure_id: int, seconds: float = PATIENCE) -> None:
    """Go on with one that is at work, unless somebody has it in hand."""
    erasure = _take(erasure_id)
    if erasure is None:
        return
    deadline = time.monotonic() + seconds
    named = _named(erasure)
    problems = []
    for place in places.all_places():
        if place.label in erasure.done:
            continue
        if time.monotonic() > deadline:
            _give_back(erasure, "")
            return
        try:
            _forget(erasure, place, named)
        except places.LaterError as e:
            problems.append(str(e))
        except Exception as e:
            if about(e) is About.CONNECTION:
                raise
            logger.exception("erasure.failed", erasure_id=erasure.pk)
            problems.append(f"{place.label}: {in_words(e)}")
    problems += _delete_elsewhere(erasure)
    if problems:
        _give_back(erasure, named.hide(" ".join(problems)))
    else:
        _finish(erasure)


def go_on_with_all() -> None:
    """A piece of the tick's work: what was cut short, or waits for something."""
    due = Erasure.objects.filter(state=State.WORKING, next_at__lt=Now())
    for pk in list(due.order_by("pk").values_list("pk", flat=True)[:10]):
        go_on(pk)


def try_now(erasure: Erasure) -> None:
    """Go on with it before its pause is over, unless it is in somebody's hands."""
    paused = _at_work(erasure).exclude(problem="")
    paused.update(next_at=database_clock.now())
    go_on(erasure.pk)


def close(erasure: Erasure, by: str) -> bool:
    """Leave it at what is done, and forget whom it was about; whether it was at work."""
    words = f"{by} closed it before all was done."
    return bool(_at_work(erasure).update(problem=words, **_ended()))


def _keep_everybody_out() -> None:
    """Nothing is applied meanwhile: a message in hand would make somebody anew."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [inbox.LOCK])


def _erase(
    people: Collection[int],
    asked: Collection[Key],
    asked_through: str,
    by: AbstractBaseUser | None,
    may_return: bool,
    also_at: tuple[int, str] | None,
) -> Erasure:
    ids = _parts(people)
    keys = _keys_of(ids) | set(asked)
    keys -= _shared(keys, ids)
    went = what_goes(people)
    kept_out = _as_kept(keys)
    tombstones.put(kept_out, may_return=may_return)
    Profile.objects.filter(pk__in=ids).delete()
    api_id, api_name = also_at or (None, "")
    erasure = Erasure.objects.create(
        by_id=by.pk if by else None,
        asked_through=asked_through[:255],
        may_return=may_return,
        went={**went, KEPT_OUT: len(kept_out)},
        keys=sorted(keys),
        people=ids,
        also_at_id=api_id,
        also_at=api_name[:255],
    )
    logger.info("person.erased", erasure_id=erasure.pk, rows=len(ids))
    return erasure


def _went_on(erasure: Erasure, seconds: float) -> Erasure:
    go_on(erasure.pk, seconds)
    erasure.refresh_from_db()
    return erasure


def _parts(people: Collection[int]) -> list[int]:
    rows = Profile.objects.filter(Q(pk__in=people) | Q(merged_into__in=people))
    return sorted(rows.values_list("pk", flat=True))


def _keys_of(ids: Collection[int]) -> set[Key]:
    """All identifiers of these rows."""
    keys: set[Key] = set()
    for row in Profile.objects.filter(pk__in=ids):
        own: Mapping[str, Any] = row.own or {}
        said: list[tuple[str, str]] = [(EXTERNAL_ID, row.external_id or "")]
        for name in CONTACTS:
            said.append((name, getattr(row, name)))
            said.append((name, own.get("data", {}).get(name)))
            # As it was typed, where that is not as it is kept.
            for times in (row.attribute_times, own.get("times", {})):
                said += [(name, str(text)) for text in times.get(name, [])[3:]]
        if own.get("key"):
            said.append(tuple(own["key"][:2]))
        keys |= {(kind, value) for kind, value in said if value}
    rows = Identifier.objects.filter(Q(is_void=False) | Q(is_own=True))
    keys |= set(rows.filter(profile__in=ids).values_list("kind", "value"))
    return {key for key in keys if key[0] != PLACEHOLDER}


def _as_kept(keys: Collection[Key]) -> set[Key]:
    """Without how they were typed, which is for the search alone."""
    return {(k, CONTACTS[k](v) if k in CONTACTS else v) for k, v in keys}


def _shared(keys: Collection[Key], ids: Collection[int]) -> set[Key]:
    """Those that were also said of somebody who stays: a family's e-mail, a device.

    (P) They name that person, and keep nobody out.
    """
    values = [value for _, value in keys]
    others = Identifier.objects.filter(value__in=values, is_void=False)
    found = set(others.exclude(profile__in=ids).values_list("kind", "value"))
    for kind in CONTACTS:
        said = [value for k, value in keys if k == kind]
        rows = Profile.objects.filter(**{f"{kind}__in": said}).exclude(pk__in=ids)
        found |= {(kind, value) for value in rows.values_list(kind, flat=True)}
    return found & set(keys)


def _named(erasure: Erasure) -> Named:
    keys = frozenset((kind, value) for kind, value in erasure.keys)
    return Named(people=tuple(erasure.people), keys=keys)


def _at_work(erasure: Erasure) -> Any:
    return Erasure.objects.filter(pk=erasure.pk, state=State.WORKING)


def _take(erasure_id: int) -> Erasure | None:
    """Have it for LEASE; None where it is done, or in somebody's hands."""
    now = database_clock.now()
    free = Erasure.objects.filter(pk=erasure_id, state=State.WORKING, next_at__lte=now)
    if not free.update(next_at=now + LEASE, tries=F("tries") + 1, problem=""):
        return None
    return Erasure.objects.get(pk=erasure_id)


@transaction.atomic
def _forget(erasure: Erasure, place: places.Place, named: Named) -> None:
    count = place.forget(named) if named.keys or named.people else 0
    erasure.done = [*erasure.done, place.label]
    if count:
        erasure.went = {**erasure.went, place.label: count}
    next_at = database_clock.now() + LEASE
    _at_work(erasure).update(done=erasure.done, went=erasure.went, next_at=next_at)


def _delete_elsewhere(erasure: Erasure) -> list[str]:
    """Ask the other side; return why it has to be asked again."""
    if erasure.also_at_id is None or ELSEWHERE in erasure.done:
        return []
    named = _named(erasure)
    external_ids = sorted(value for kind, value in named.keys if kind == EXTERNAL_ID)
    answers = [elsewhere.delete(erasure.also_at_id, one) for one in external_ids]
    words = " ".join(dict.fromkeys(named.hide(answer.words) for answer in answers))
    erasure.answer = words or "Nobody was asked: they had no external ID."
    is_done = all(answer.is_done for answer in answers)
    if is_done:
        erasure.done = [*erasure.done, ELSEWHERE]
    _at_work(erasure).update(answer=erasure.answer, done=erasure.done)
    return [] if is_done else [f"{erasure.also_at}: {erasure.answer}"]


def _give_back(erasure: Erasure, problem: str) -> None:
    """Let it go on: at once where time was up, else after a growing pause."""
    pause = min(timedelta(seconds=30) * 2 ** min(erasure.tries, 10), LONGEST_PAUSE)
    now = database_clock.now()
    _at_work(erasure).update(problem=problem, next_at=now + pause if problem else now)


def _finish(erasure: Erasure) -> None:
    if _at_work(erasure).update(problem="", **_ended()):
        logger.info("erasure.done", erasure_id=erasure.pk)


def _ended() -> dict[str, Any]:
    """Of whom it was about nothing is left."""
    now = database_clock.now()
    return {"state": State.DONE, "finished_at": now, "keys": [], "people": []}
