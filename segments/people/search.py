"""Finding people by how an identifier or a name of theirs begins.

Each way is answered by an index of its own and cut off, so that a letter that half of
everybody begins with costs no more than a whole e-mail address.
"""

from collections.abc import Iterator

from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Lower

from lemnisk_braze.lib.names import visible
from segments.contact import as_begun, as_email, as_phone
from segments.models import Identifier, Profile

MAX_TYPED = 200
# So many of each way; what was typed is not said precisely enough to read more.
MOST = 200


def find(typed: str, most: int = MOST, *, whole: bool = False) -> QuerySet[Profile]:
    """At most `most` people of each way, known ones alone; nobody where nothing is typed.

    `whole`: by a whole identifier alone, for whoever may not see people's data: letter
    by letter they would be told. Else by the beginning of an external ID, an e-mail address, a phone number, a name or a
    last name, or a whole identifier of any kind. Upper and lower case are alike in
    names and e-mail addresses.
    """
    text = visible(typed).strip()[:MAX_TYPED]
    if not text:
        return _nobody()
    return Profile.objects.filter(pk__in=_ids(text, most, whole))


def _ids(text: str, most: int, whole_alone: bool) -> set[int]:
    ways = _whole(text) if whole_alone else _ways(text)
    first, *others = (way[:most] for way in ways)
    ids = set(first.union(*others, all=True))
    # A whole identifier may be of somebody who is part of another now.
    values = {text, as_email(text), as_phone(text)}
    parts = Identifier.objects.filter(kind__in=kinds(), value__in=values)
    whole = parts.values_list(F("profile__merged_into"), "profile")
    return ids | {merged or own for merged, own in whole[:most]}


def _ways(text: str) -> Iterator[QuerySet[Profile, int]]:
    known = Profile.objects.filter(merged_into=None).order_by()
    lower = Lower(Value(text))
    for question in (
        Q(external_id=text),
        Q(external_id__startswith=text),
        # "Not empty" is what lets PostgreSQL use the partial indexes.
        Q(email__startswith=as_email(text)) & ~Q(email=""),
        Q(phone__startswith=as_begun(text)) & ~Q(phone=""),
        Q(phone=as_phone(text)) & ~Q(phone=""),
        Q(name_key__startswith=lower) & ~Q(name_key=""),
        Q(last_name_key__startswith=lower) & ~Q(last_name_key=""),
    ):
        yield known.filter(question).values_list("pk", flat=True)


def _whole(text: str) -> Iterator[QuerySet[Profile, int]]:
    known = Profile.objects.filter(merged_into=None).order_by()
    kept = (Q(email=as_email(text)), Q(phone=as_phone(text)))
    for question in (Q(external_id=text), *kept):
        yield known.filter(question).values_list("pk", flat=True)


def kinds() -> list[str]:
    """The kinds that there are, the company's own included: a step in the index each."""
    kinds: list[str] = []
    identifiers = Identifier.objects.order_by("kind").values_list("kind", flat=True)
    while (
        kind := identifiers.filter(kind__gt=kinds[-1] if kinds else "").first()
    ) is not None:
        kinds.append(kind)
    return kinds


def _nobody() -> QuerySet[Profile]:
    return Profile.objects.none()
