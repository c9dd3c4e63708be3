"""Who was erased and is here all the same: a backup from before was restored."""

from collections.abc import Iterator

from segments.identity import tombstones
from segments.identity.calls import EMAIL, EXTERNAL_ID, PHONE, Key
from segments.models import Identifier, Profile, Tombstone

CHUNK = 5_000


def find() -> list[Profile]:
    """Whole people who have an identifier of somebody who was erased, and may not return.

    Who may return is left: nobody can tell whether they have. Everybody is asked about:
    about 1,000,000 people in a minute.
    """
    if not Tombstone.objects.filter(may_return=False).exists():
        return []
    found: set[int] = set()
    for keys in _in_chunks():
        erased = tombstones.find(keys.keys())
        found |= {keys[key] for key, one in erased.items() if not one.may_return}
    people = Profile.objects.filter(pk__in=found)
    whole = {person.merged_into_id or person.pk for person in people}
    return list(Profile.objects.filter(pk__in=whole).order_by("pk"))


def _in_chunks() -> Iterator[dict[Key, int]]:
    chunk: dict[Key, int] = {}
    for key, person in _all_keys():
        chunk[key] = person
        if len(chunk) >= CHUNK:
            yield chunk
            chunk = {}
    yield chunk


def _all_keys() -> Iterator[tuple[Key, int]]:
    people = Profile.objects.values_list("pk", "external_id", "email", "phone")
    for pk, external_id, email, phone in people.iterator(CHUNK):
        said = ((EXTERNAL_ID, external_id), (EMAIL, email), (PHONE, phone))
        yield from (((kind, value), pk) for kind, value in said if value)
    identifiers = Identifier.objects.values_list("kind", "value", "profile")
    for kind, value, person in identifiers.iterator(CHUNK):
        yield (kind, value), person
