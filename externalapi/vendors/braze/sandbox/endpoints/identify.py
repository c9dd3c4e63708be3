"""/users/identify (post_user_identify): an external ID for who has only an alias.

Or only an email address or a phone number. Success means that the syntax was right;
whoever is not found, or not alone, is left as before.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.facts.contract import ObjectError
from externalapi.vendors.braze.sandbox.rules.track import is_alias, is_external_id
from externalapi.vendors.braze.sandbox.rules.verdicts import (
    Arrays,
    Counting,
    JsonObject,
    Verdict,
    arrays_in,
    counted,
    fatal,
    sorted_out,
)
from externalapi.vendors.braze.sandbox.runtime.route import Arrived, Asked, Params
from externalapi.vendors.braze.sandbox.runtime.workspace import Workspace
from externalapi.vendors.braze.sandbox.users.matching import meant, prioritization_error
from externalapi.vendors.braze.sandbox.users.merging import IDENTIFIED_FIELDS, merge
from externalapi.vendors.braze.sandbox.users.store import Store
from externalapi.vendors.braze.sandbox.users.users import User

_ARRAY = refusals.IDENTIFIED_ARRAY
_KIND = "identified_by"
_KINDS = {
    "aliases_to_identify": "user_alias",
    "emails_to_identify": "email",
    "phone_numbers_to_identify": "phone",
}
_COUNTERS = {
    "user_alias": "aliases_processed",
    "email": "emails_processed",
    "phone": "phone_numbers_processed",
}
_REQUIRED = {
    "user_alias": refusals.USER_ALIAS_REQUIRED,
    "email": refusals.EMAIL_REQUIRED,
    "phone": refusals.PHONE_REQUIRED,
}


def read(body: object, params: Params) -> Arrays:
    """All in one array, as errors count them; that they count so is inferred."""
    arrays = arrays_in(body, _KINDS)
    return {
        _ARRAY: [
            {**(item if isinstance(item, dict) else {}), _KIND: _KINDS[name]}
            for name, items in arrays.items()
            for item in items
        ]
    }


def judge(asked: Asked, workspace: Workspace) -> Verdict:
    items = asked.arrays[_ARRAY]
    if not items:
        return fatal(refusals.NOBODY_TO_IDENTIFY)
    if len(items) > refusals.MAX_OBJECTS:
        return fatal(refusals.TOO_MANY_IDS_AND_ALIASES)
    errors: list[JsonObject] = []
    accepted = sorted_out(items, _error_in, _ARRAY, errors)
    has_addresses = any(item[_KIND] != "user_alias" for item in items)
    counting = _ALL if has_addresses else _ALIASES
    return counted({_ARRAY: accepted}, errors, counting)


def _counts(kinds: Iterable[str]) -> Callable[[Arrays], JsonObject]:
    """Count what is accepted, kind by kind, also where that is nothing.

    A recorded answer for aliases counts them alone, a partner's test data for an
    address count all three.
    """

    def count(accepted: Arrays) -> JsonObject:
        found = Counter(str(item[_KIND]) for item in accepted[_ARRAY])
        return {_COUNTERS[kind]: found[kind] for kind in kinds}

    return count


_ALIASES = Counting(count=_counts(["user_alias"]))
_ALL = Counting(count=_counts(_COUNTERS))


def _error_in(item: JsonObject) -> ObjectError | None:
    if not is_external_id(item.get("external_id")):
        return refusals.EXTERNAL_ID_REQUIRED
    kind = str(item[_KIND])
    if kind == "user_alias":
        return None if is_alias(item.get(kind)) else _REQUIRED[kind]
    if not isinstance(item.get(kind), str) or not item[kind]:
        return _REQUIRED[kind]
    return prioritization_error(item.get("prioritization"), refusals.PRIORITIZATIONS)


def apply(store: Store, arrived: Arrived) -> None:
    for item in arrived.arrays[_ARRAY]:
        kind = str(item[_KIND])
        wanted = {kind: item[kind], "prioritization": item.get("prioritization")}
        user = meant(store.people, wanted)
        if user is not None and user.external_id is None:
            _identify(store, user, str(item["external_id"]))


def _identify(store: Store, user: User, external_id: str) -> None:
    """Nothing happens if both have an alias with the same label."""
    people = store.people
    known = people.by_external_id.get(external_id)
    if known is None:
        people.identify(user, external_id)
        store.touch(user)
    elif known.aliases.keys().isdisjoint(user.aliases):
        aliases = user.aliases
        merge(store, user, known, IDENTIFIED_FIELDS)
        for label, name in aliases.items():
            people.set_alias(known, label, name)
