"""How each of Braze's endpoints names what it refused and counts what it took.

All say `message`, and most name refused objects as Track Users does; what is different
is here, by the endpoint's address, so that it holds for whoever wrote the External API.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from externalapi.http.answer_rules import BRAZE, AnswerRules
from externalapi.vendors.braze.facts import contract, endpoints
from externalapi.vendors.braze.facts.endpoints import Endpoint
from externalapi.vendors.braze.facts.refusals import IDENTIFIED_ARRAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """`arrays` hold the objects of a request: one of a person, and never a null."""

    arrays: tuple[str, ...] = ()
    rules: AnswerRules = BRAZE


def _counted(**counters: str) -> tuple[tuple[str, str], ...]:
    return tuple(counters.items())


_TRACK = Answers(arrays=contract.TRACK_ARRAYS)
_DELETED = (
    *("external_ids", "user_aliases", "braze_ids"),
    *("email_addresses", "phone_numbers"),
)
# An error refuses all of them and names none by its place (catalog_items).
_ITEMS = Answers(
    arrays=("items",), rules=replace(BRAZE, errors_array="", errors_message="message")
)
_RECIPIENTS = Answers(arrays=("recipients",))

ENDPOINTS: Mapping[Endpoint, Answers] = {
    endpoints.TRACK: _TRACK,
    endpoints.TRACK_SYNC: _TRACK,
    endpoints.TRACK_BULK: _TRACK,
    endpoints.EXPORT_IDS: Answers(arrays=("external_ids", "user_aliases")),
    # Refused objects also come under "user_identifiers", a name that no body has (known
    # from partners' code): then the index alone says which object is meant.
    endpoints.IDENTIFY: Answers(
        arrays=(
            "aliases_to_identify",
            "emails_to_identify",
            "phone_numbers_to_identify",
        ),
        rules=replace(
            BRAZE,
            nameless_arrays=(IDENTIFIED_ARRAY,),
            counters=_counted(
                aliases_to_identify="aliases_processed",
                emails_to_identify="emails_processed",
                phone_numbers_to_identify="phone_numbers_processed",
            ),
        ),
    ),
    endpoints.NEW_ALIAS: Answers(
        arrays=("user_aliases",),
        rules=replace(BRAZE, counters=_counted(user_aliases="aliases_processed")),
    ),
    endpoints.UPDATE_ALIAS: Answers(arrays=("alias_updates",)),
    # The page promises the number alone; recorded answers have a message as well.
    endpoints.DELETE_USERS: Answers(
        arrays=_DELETED,
        rules=replace(
            BRAZE,
            also_success=("deleted",),
            counters=tuple((array, "deleted") for array in _DELETED),
        ),
    ),
    endpoints.MERGE_USERS: Answers(arrays=("merge_updates",)),
    # An error is its index and its words.
    endpoints.RENAME_EXTERNAL_IDS: Answers(
        arrays=("external_id_renames",),
        rules=replace(BRAZE, errors_path=("rename_errors",)),
    ),
    endpoints.REMOVE_EXTERNAL_IDS: Answers(
        arrays=("external_ids",),
        rules=replace(BRAZE, errors_path=("removal_errors",)),
    ),
    endpoints.SET_SUBSCRIPTIONS: Answers(arrays=("subscription_groups",)),
    endpoints.SEND_MESSAGES: Answers(arrays=("external_user_ids", "user_aliases")),
    endpoints.TRIGGER_CAMPAIGN: _RECIPIENTS,
    endpoints.TRIGGER_CANVAS: _RECIPIENTS,
    endpoints.ADD_ITEMS: _ITEMS,
    endpoints.UPDATE_ITEMS: _ITEMS,
    endpoints.REPLACE_ITEMS: _ITEMS,
    endpoints.DELETE_ITEMS: _ITEMS,
    endpoints.CREATE_ITEM: _ITEMS,
    endpoints.UPDATE_ITEM: _ITEMS,
    endpoints.REPLACE_ITEM: _ITEMS,
    endpoints.DELETE_ITEM: _ITEMS,
    endpoints.CREATE_CATALOG: replace(_ITEMS, arrays=("catalogs",)),
}


def known(method: str, base_url: str, path: str) -> Answers:
    """What is known of an address: of one that is not Braze's there is nothing."""
    paths = {path, urlsplit(base_url).path.rstrip("/") + path}
    found = (
        answers
        for endpoint, answers in ENDPOINTS.items()
        if endpoint.method == method and any(map(endpoint.is_at, paths))
    )
    return next(found, Answers())


def rules_at(known_answers: Answers, rules: AnswerRules) -> AnswerRules:
    """An External API's rules; where it has only Braze's own, those of its address."""
    if replace(rules, permission="") != BRAZE:
        return rules
    return replace(known_answers.rules, permission=rules.permission)
