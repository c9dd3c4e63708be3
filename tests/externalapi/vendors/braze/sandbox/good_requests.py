"""A request to each endpoint that it takes, with ada and the catalog restaurants there.

A text is what follows the path; such a request has no body.
"""

from externalapi.vendors.braze.facts import endpoints as braze
from tests.externalapi.vendors.braze.sandbox.people import attributes

UUID = "d8b73da7-0b7c-fc72-1d80-e59c7f20f0d3"
ALIAS = {"alias_name": "a", "alias_label": "web"}
GROUP = {"subscription_group_id": UUID, "subscription_state": "subscribed"}
RENAME = {"current_external_id": "ada", "new_external_id": "ada-2"}
FIELDS = [{"name": "id", "type": "string"}, {"name": "Name", "type": "string"}]
GOOD = {
    braze.TRACK: {"attributes": [attributes()]},
    braze.TRACK_SYNC: {"attributes": [attributes()]},
    braze.TRACK_BULK: {"attributes": [attributes()]},
    braze.EXPORT_IDS: {"external_ids": ["ada"]},
    braze.IDENTIFY: {
        "aliases_to_identify": [{"external_id": "ada", "user_alias": ALIAS}]
    },
    braze.NEW_ALIAS: {"user_aliases": [ALIAS]},
    braze.UPDATE_ALIAS: {
        "alias_updates": [
            {"alias_label": "web", "old_alias_name": "a", "new_alias_name": "b"}
        ]
    },
    braze.DELETE_USERS: {"external_ids": ["ada"]},
    braze.MERGE_USERS: {
        "merge_updates": [
            {
                "identifier_to_merge": {"external_id": "ada"},
                "identifier_to_keep": {"external_id": "bob"},
            }
        ]
    },
    braze.RENAME_EXTERNAL_IDS: {"external_id_renames": [RENAME]},
    braze.REMOVE_EXTERNAL_IDS: {"external_ids": ["ada"]},
    braze.SET_SUBSCRIPTION: {**GROUP, "external_id": ["ada"]},
    braze.SET_SUBSCRIPTIONS: {
        "subscription_groups": [{**GROUP, "external_ids": ["ada"]}]
    },
    braze.GET_SUBSCRIPTION: f"?subscription_group_id={UUID}&external_id=ada",
    braze.GET_SUBSCRIPTIONS: "?external_id=ada",
    braze.SET_EMAIL_STATUS: {"email": "a@b.example", "subscription_state": "opted_in"},
    braze.SEND_MESSAGES: {
        "external_user_ids": ["ada"],
        "messages": {"apple_push": {"alert": "hello"}},
    },
    braze.TRIGGER_CAMPAIGN: {
        "campaign_id": UUID,
        "recipients": [{"external_user_id": "ada"}],
    },
    braze.TRIGGER_CANVAS: {
        "canvas_id": UUID,
        "recipients": [{"external_user_id": "ada"}],
    },
    braze.LIST_CATALOGS: "",
    braze.CREATE_CATALOG: {"catalogs": [{"name": "shops", "fields": FIELDS}]},
    braze.DELETE_CATALOG: "",
    braze.LIST_ITEMS: "",
    braze.ADD_ITEMS: {"items": [{"id": "r2", "Name": "Two"}]},
    braze.UPDATE_ITEMS: {"items": [{"id": "r1", "Name": "Two"}]},
    braze.REPLACE_ITEMS: {"items": [{"id": "r1", "Name": "Two"}]},
    braze.DELETE_ITEMS: {"items": [{"id": "r1"}]},
    braze.GET_ITEM: "",
    braze.CREATE_ITEM: {"items": [{"Name": "One"}]},
    braze.UPDATE_ITEM: {"items": [{"Name": "Two"}]},
    braze.REPLACE_ITEM: {"items": [{"Name": "Two"}]},
    braze.DELETE_ITEM: "",
}
