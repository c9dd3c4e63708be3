"""What the endpoints beside Track Users take, endpoint by endpoint.

The keys are those of each endpoint's own page (`Endpoint.url`); what is an error is
what `refusals` and `catalogs` have a refusal for.
"""

import re
from uuid import UUID

from externalapi.vendors.braze.facts import catalogs, endpoints, refusals
from externalapi.vendors.braze.facts.contract import GROUP_STATES, SUBSCRIPTION_STATES
from externalapi.vendors.braze.facts.endpoints import Endpoint
from externalapi.vendors.braze.lint.endpoint_rules import (
    attached,
    created,
    new_alias_parts,
    not_email_and_phone,
    nothing_else,
    once,
    people_or_broadcast,
    renamed,
    sendable_email,
    some_message,
    variants,
    wishes,
    without_id,
)
from externalapi.vendors.braze.lint.shape import (
    Key,
    Shape,
    a_list,
    alias,
    an_object,
    anything,
    flag,
    person,
    text,
)
from externalapi.vendors.braze.lint.template_values import Unknown

MOST = refusals.MAX_OBJECTS


def _api_identifier(*, is_required: bool = False) -> Key:
    return text(
        is_required=is_required,
        pattern=_UUID,
        kind=f"an identifier of Braze's dashboard, as {UUID(int=0)}",
    )


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_PHONE = Key(
    kind="a phone number in E.164, as +4915112345678",
    fits=text().fits,
    pattern=_E164,
    is_person=True,
)


# --- People --------------------------------------------------------------------------

_BY_ADDRESS = wishes(refusals.PRIORITIZATIONS, asked_by=("email", "phone"))
_DELETED_BY_ADDRESS = wishes(
    refusals.DELETE_PRIORITIZATIONS, asked_by=("email", "phone")
)
# What is wrong with it, where an address asks for it, is said by the rules.
_WISH = a_list(text(is_certain=False), is_certain=False)
_ALIAS_PART = text(is_required=True)


def _identified(name: str, key: Key) -> Key:
    keys = {"external_id": person(is_required=True), name: key}
    if name == "user_alias":
        return a_list(Shape(keys=keys, exactly_one=("user_alias",)))
    return a_list(
        Shape(
            keys={**keys, "prioritization": _WISH},
            exactly_one=(name,),
            rules=(_BY_ADDRESS,),
        )
    )


_ADDRESS_ARRAYS = {
    "aliases_to_identify": _identified("user_alias", alias()),
    "emails_to_identify": _identified("email", person()),
    "phone_numbers_to_identify": _identified("phone", person()),
}
_IDENTIFY = Shape(
    keys={
        **_ADDRESS_ARRAYS,
        "merge_behavior": text(allowed=frozenset({"none", "merge"}), is_certain=False),
    },
    at_least_one=tuple(_ADDRESS_ARRAYS),
    together=tuple(_ADDRESS_ARRAYS),
    most=MOST,
)


_NEW_ALIAS = Shape(
    keys={
        "user_aliases": a_list(
            Shape(
                keys={
                    "external_id": person(),
                    "alias_name": Key(kind="a text", fits=text().fits, is_person=True),
                    "alias_label": text(),
                    "user_alias": an_object(is_certain=False),
                },
                rules=(new_alias_parts,),
            ),
            most=MOST,
            is_required=True,
        )
    }
)
_UPDATE_ALIAS = Shape(
    keys={
        "alias_updates": a_list(
            Shape(
                keys={
                    "alias_label": _ALIAS_PART,
                    "old_alias_name": _ALIAS_PART,
                    "new_alias_name": _ALIAS_PART,
                }
            ),
            most=MOST,
            is_required=True,
        )
    }
)


def _deleted(name: str) -> Key:
    return a_list(
        Shape(
            keys={name: person(is_required=True), "prioritization": _WISH},
            rules=(_DELETED_BY_ADDRESS,),
        ),
        most=MOST,
    )


_DELETED = {
    "external_ids": a_list(person(), most=MOST),
    "user_aliases": a_list(alias(), most=MOST),
    "braze_ids": a_list(person(), most=MOST),
    "email_addresses": _deleted("email"),
    "phone_numbers": _deleted("phone"),
}
_DELETE = Shape(keys=_DELETED, exactly_one=tuple(_DELETED))

_MERGED = an_object(
    Shape(
        keys={
            "external_id": person(),
            "user_alias": alias(),
            "email": person(),
            "phone": person(),
            "prioritization": _WISH,
        },
        exactly_one=("external_id", "user_alias", "email", "phone"),
        rules=(_BY_ADDRESS,),
    ),
    is_required=True,
)


_MERGE = Shape(
    keys={
        "merge_updates": a_list(
            Shape(
                keys={"identifier_to_merge": _MERGED, "identifier_to_keep": _MERGED},
                is_open=True,
                rules=(nothing_else,),
            ),
            most=MOST,
            is_required=True,
        )
    }
)
_RENAME = Shape(
    keys={
        "external_id_renames": a_list(
            Shape(
                keys={
                    "current_external_id": text(is_required=True),
                    "new_external_id": text(is_required=True),
                },
                rules=(renamed,),
            ),
            most=MOST,
            is_required=True,
        )
    }
)
_REMOVE = Shape(
    keys={"external_ids": a_list(text(), most=MOST, is_required=True)},
)

# --- Subscription groups -------------------------------------------------------------


def _people(kind: Key) -> Key:
    """One, or a list of them."""
    return Key(
        kind="a list",
        fits=lambda value: kind.fits(value) or isinstance(value, list),
        item=kind,
        pattern=kind.pattern,
        is_person=True,
    )


def _in_group(*names: str) -> Shape:
    keys = {name: _people(person()) for name in names if "phone" not in name}
    return Shape(
        keys={
            "subscription_group_id": _api_identifier(is_required=True),
            "subscription_state": text(is_required=True, allowed=GROUP_STATES),
            **keys,
            **{name: _people(_PHONE) for name in names if "phone" in name},
            "use_double_opt_in_logic": flag(),
        },
        at_least_one=names,
        together=names,
        most=MOST,
        rules=(not_email_and_phone,),
    )


_SET_ONE = _in_group("external_id", "email", "phone")
_SET_MANY = Shape(
    keys={
        "subscription_groups": a_list(
            _in_group("external_ids", "emails", "phones"), is_required=True
        )
    }
)
_EMAIL_STATUS = Shape(
    keys={
        "email": Key(
            kind="an e-mail address, or a list of them",
            fits=lambda value: text().fits(value) or isinstance(value, list | Unknown),
            # What is null in the list is passed over.
            item=Key(
                kind="an e-mail address",
                fits=lambda value: value is None or text().fits(value),
                is_person=True,
            ),
            most=MOST,
            is_required=True,
            is_person=True,
        ),
        "subscription_state": text(is_required=True, allowed=SUBSCRIPTION_STATES),
    }
)

# --- Messages ------------------------------------------------------------------------

_MESSAGES = Shape(
    keys={
        **{name: an_object(is_certain=False) for name in refusals.MESSAGE_TYPES},
        "email": an_object(
            Shape(
                keys={
                    "app_id": text(is_required=True),
                    "from": text(is_required=True),
                },
                is_open=True,
                rules=(sendable_email,),
            ),
            is_certain=False,
        ),
    },
    rules=(some_message,),
)
_SEND = Shape(
    keys={
        "broadcast": flag(),
        "external_user_ids": a_list(person()),
        "user_aliases": a_list(alias()),
        "segment_id": text(is_certain=False),
        "audience": an_object(is_certain=False),
        "campaign_id": _api_identifier(),
        "send_id": text(is_certain=False),
        "override_frequency_capping": flag(),
        "recipient_subscription_state": text(allowed=refusals.RECIPIENT_STATES),
        "messages": an_object(_MESSAGES, is_required=True),
    },
    together=("external_user_ids", "user_aliases"),
    most=MOST,
    rules=(
        people_or_broadcast(
            "external_user_ids", "user_aliases", audiences=("segment_id", "audience")
        ),
        variants,
    ),
)


_ATTACHMENT = Shape(
    keys={
        "file_name": text(is_required=True, is_certain=False),
        "url": text(is_required=True, is_certain=False),
    }
)


def _trigger(id_field: str, properties: tuple[str, ...]) -> Shape:
    values = {name: an_object() for name in properties}
    identifiers = ("external_user_id", "user_alias", "braze_id", "email")
    recipient = Shape(
        keys={
            "external_user_id": person(),
            "user_alias": alias(),
            "braze_id": person(),
            "email": person(),
            "prioritization": _WISH,
            **values,
            "send_to_existing_only": flag(),
            "attributes": an_object(),
        },
        exactly_one=identifiers,
        rules=(wishes(refusals.PRIORITIZATIONS, asked_by=("email",)), created),
    )
    return Shape(
        keys={
            id_field: _api_identifier(is_required=True),
            "send_id": text(is_certain=False),
            **values,
            "broadcast": flag(),
            "audience": an_object(is_certain=False),
            "recipients": a_list(recipient, most=MOST),
            "attachments": a_list(_ATTACHMENT, is_certain=False),
        },
        rules=(people_or_broadcast("recipients"), attached),
    )


# --- Catalogs ------------------------------------------------------------------------

_NAME = text(
    kind="letters, digits, hyphens and underscores",
    pattern=catalogs.NAME,
    longest=catalogs.MAX_NAME_CHARS,
    is_required=True,
)
_ITEM_ID = text(
    kind="letters, digits, hyphens and underscores",
    pattern=catalogs.NAME,
    longest=catalogs.MAX_ID_CHARS,
    is_required=True,
)


def _items(item: Shape, most: int = catalogs.MAX_ITEMS) -> Shape:
    items = a_list(item, most=most, is_required=True)
    return Shape(keys={"items": items}, rules=(once,))


_WHOLE_ITEMS = _items(Shape(keys={"id": _ITEM_ID}, is_open=True))
_ONLY_IDS = _items(Shape(keys={"id": _ITEM_ID}))
_ONE_ITEM = _items(Shape(keys={}, is_open=True, rules=(without_id,)), most=1)
_CATALOG = Shape(
    keys={
        "name": _NAME,
        "description": text(longest=catalogs.MAX_DESCRIPTION_CHARS),
        "fields": a_list(
            Shape(
                keys={
                    "name": _NAME,
                    "type": text(
                        is_required=True, allowed=frozenset(catalogs.FIELD_TYPES)
                    ),
                },
                is_open=True,
            ),
            most=catalogs.MAX_FIELDS,
            is_required=True,
        ),
        "selections": anything(),
        "source": anything(),
    }
)

SHAPES: tuple[tuple[Endpoint, Shape], ...] = (
    (endpoints.IDENTIFY, _IDENTIFY),
    (endpoints.NEW_ALIAS, _NEW_ALIAS),
    (endpoints.UPDATE_ALIAS, _UPDATE_ALIAS),
    (endpoints.DELETE_USERS, _DELETE),
    (endpoints.MERGE_USERS, _MERGE),
    (endpoints.RENAME_EXTERNAL_IDS, _RENAME),
    (endpoints.REMOVE_EXTERNAL_IDS, _REMOVE),
    (endpoints.SET_SUBSCRIPTION, _SET_ONE),
    (endpoints.SET_SUBSCRIPTIONS, _SET_MANY),
    (endpoints.SET_EMAIL_STATUS, _EMAIL_STATUS),
    (endpoints.SEND_MESSAGES, _SEND),
    (
        endpoints.TRIGGER_CAMPAIGN,
        _trigger("campaign_id", ("trigger_properties",)),
    ),
    (
        endpoints.TRIGGER_CANVAS,
        # Older clients have the second name.
        _trigger("canvas_id", ("context", "canvas_entry_properties")),
    ),
    (
        endpoints.CREATE_CATALOG,
        Shape(keys={"catalogs": a_list(_CATALOG, most=1, is_required=True)}),
    ),
    (endpoints.ADD_ITEMS, _WHOLE_ITEMS),
    (endpoints.UPDATE_ITEMS, _WHOLE_ITEMS),
    (endpoints.REPLACE_ITEMS, _WHOLE_ITEMS),
    (endpoints.DELETE_ITEMS, _ONLY_IDS),
    (endpoints.CREATE_ITEM, _ONE_ITEM),
    (endpoints.UPDATE_ITEM, _ONE_ITEM),
    (endpoints.REPLACE_ITEM, _ONE_ITEM),
)
# Those that read, or take no body: nothing more than the method is looked at.
OTHERS = (
    endpoints.EXPORT_IDS,
    endpoints.GET_SUBSCRIPTION,
    endpoints.GET_SUBSCRIPTIONS,
    endpoints.LIST_CATALOGS,
    endpoints.DELETE_CATALOG,
    endpoints.LIST_ITEMS,
    endpoints.GET_ITEM,
    endpoints.DELETE_ITEM,
)
