"""The table: every endpoint of Braze's that the sandbox has.

Method, path, permission and rate limit of each stand in `externalapi.vendors.braze.facts.endpoints`;
here stands who judges it and what applies it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.facts import endpoints as braze
from externalapi.vendors.braze.sandbox.endpoints import (
    aliases,
    deletions,
    export,
    external_ids,
    identify,
    merges,
    track,
)
from externalapi.vendors.braze.sandbox.endpoints.catalogs import (
    catalog_item,
    catalog_items,
    catalogs,
)
from externalapi.vendors.braze.sandbox.endpoints.messaging import (
    email_status,
    messages,
    states,
    subscriptions,
    triggers,
)
from externalapi.vendors.braze.sandbox.rules.recipients import audience_of
from externalapi.vendors.braze.sandbox.rules.verdicts import Arrays
from externalapi.vendors.braze.sandbox.runtime.backlog import Accepted
from externalapi.vendors.braze.sandbox.runtime.route import Arrived, Route
from externalapi.vendors.braze.sandbox.users.store import Store

ROUTES = (
    Route(
        endpoint=braze.TRACK,
        read=track.read,
        judge=track.judge_track,
        apply=track.apply,
    ),
    Route(
        endpoint=braze.TRACK_SYNC,
        read=track.read,
        judge=track.judge_sync,
        apply=track.apply,
        answer_after=track.answer_sync,
    ),
    Route(
        endpoint=braze.TRACK_BULK,
        read=track.read,
        judge=track.judge_bulk,
        apply=track.apply,
        max_bytes=contract.MAX_BULK_BODY_BYTES,
        too_large=contract.BULK_BODY_TOO_LARGE,
    ),
    Route(endpoint=braze.EXPORT_IDS, read=export.read, judge=export.judge),
    Route(
        endpoint=braze.IDENTIFY,
        read=identify.read,
        judge=identify.judge,
        apply=identify.apply,
    ),
    Route(
        endpoint=braze.NEW_ALIAS,
        read=aliases.read_new,
        judge=aliases.judge_new,
        apply=aliases.apply_new,
    ),
    Route(
        endpoint=braze.UPDATE_ALIAS,
        read=aliases.read_updates,
        judge=aliases.judge_updates,
        apply=aliases.apply_updates,
    ),
    Route(
        endpoint=braze.MERGE_USERS,
        read=merges.read,
        judge=merges.judge,
        apply=merges.apply,
    ),
    Route(
        endpoint=braze.DELETE_USERS,
        read=deletions.read,
        judge=deletions.judge,
        apply=deletions.apply,
    ),
    Route(
        endpoint=braze.RENAME_EXTERNAL_IDS,
        read=external_ids.read_renames,
        judge=external_ids.judge_renames,
        apply=external_ids.apply_renames,
    ),
    Route(
        endpoint=braze.REMOVE_EXTERNAL_IDS,
        read=external_ids.read_removals,
        judge=external_ids.judge_removals,
        apply=external_ids.apply_removals,
    ),
    Route(
        endpoint=braze.SET_SUBSCRIPTION,
        read=subscriptions.read_one,
        judge=subscriptions.judge,
        apply=subscriptions.apply,
    ),
    Route(
        endpoint=braze.SET_SUBSCRIPTIONS,
        read=subscriptions.read_many,
        judge=subscriptions.judge,
        apply=subscriptions.apply,
    ),
    Route(
        endpoint=braze.GET_SUBSCRIPTION,
        read=states.read,
        judge=states.judge_group,
    ),
    Route(
        endpoint=braze.GET_SUBSCRIPTIONS,
        read=states.read,
        judge=states.judge_people,
    ),
    Route(
        endpoint=braze.SET_EMAIL_STATUS,
        read=email_status.read,
        judge=email_status.judge,
        apply=email_status.apply,
    ),
    Route(
        endpoint=braze.SEND_MESSAGES,
        read=messages.read,
        judge=messages.judge,
        apply=messages.apply,
        audience_of=audience_of,
    ),
    Route(
        endpoint=braze.TRIGGER_CAMPAIGN,
        read=triggers.read,
        judge=triggers.judge_campaign,
        apply=triggers.apply_campaign,
        audience_of=audience_of,
    ),
    Route(
        endpoint=braze.TRIGGER_CANVAS,
        read=triggers.read,
        judge=triggers.judge_canvas,
        apply=triggers.apply_canvas,
        audience_of=audience_of,
    ),
    Route(
        endpoint=braze.LIST_CATALOGS,
        read=catalogs.read_nothing,
        judge=catalogs.judge_list,
    ),
    Route(
        endpoint=braze.CREATE_CATALOG,
        read=catalogs.read,
        judge=catalogs.judge_new,
        apply=catalogs.apply_new,
    ),
    Route(
        endpoint=braze.DELETE_CATALOG,
        read=catalogs.read_name,
        judge=catalogs.judge_deletion,
        apply=catalogs.apply_deletion,
    ),
    Route(
        endpoint=braze.LIST_ITEMS,
        read=catalogs.read_nothing,
        judge=catalog_items.judge_list,
    ),
    Route(
        endpoint=braze.ADD_ITEMS,
        read=catalog_items.read_many,
        judge=catalog_items.judge_added,
        apply=catalog_items.apply_added,
    ),
    Route(
        endpoint=braze.UPDATE_ITEMS,
        read=catalog_items.read_many,
        judge=catalog_items.judge_updated,
        apply=catalog_items.apply_updated,
    ),
    Route(
        endpoint=braze.REPLACE_ITEMS,
        read=catalog_items.read_many,
        judge=catalog_items.judge_replaced,
        apply=catalog_items.apply_replaced,
    ),
    Route(
        endpoint=braze.DELETE_ITEMS,
        read=catalog_items.read_many,
        judge=catalog_items.judge_deleted,
        apply=catalog_items.apply_deleted,
    ),
    Route(
        endpoint=braze.GET_ITEM,
        read=catalogs.read_nothing,
        judge=catalog_item.judge_details,
    ),
    Route(
        endpoint=braze.CREATE_ITEM,
        read=catalog_item.read,
        judge=catalog_item.judge_created,
        apply=catalog_items.apply_added,
    ),
    Route(
        endpoint=braze.UPDATE_ITEM,
        read=catalog_item.read,
        judge=catalog_item.judge_updated,
        apply=catalog_items.apply_updated,
    ),
    Route(
        endpoint=braze.REPLACE_ITEM,
        read=catalog_item.read,
        judge=catalog_item.judge_replaced,
        apply=catalog_items.apply_replaced,
    ),
    Route(
        endpoint=braze.DELETE_ITEM,
        read=catalog_item.read_id,
        judge=catalog_item.judge_deleted,
        apply=catalog_items.apply_deleted,
    ),
)
_BY_KEY: Mapping[str, Route] = {route.endpoint.key: route for route in ROUTES}


def apply(store: Store, accepted: Accepted) -> None:
    """What the accepted request changes."""
    route = _BY_KEY[accepted.endpoint]
    if route.apply is not None:
        request = arrived(accepted)
        store.now = request.at
        route.apply(store, request)


def arrived(accepted: Accepted) -> Arrived:
    """The accepted request read again, without the objects that were refused."""
    # The journal writes null where a request has no body.
    body = (orjson.loads(accepted.body) if accepted.body else None) or {}
    route = _BY_KEY[accepted.endpoint]
    return Arrived(
        at=datetime.fromtimestamp(accepted.at, UTC),
        raw=accepted.body,
        body=body,
        params=accepted.params,
        arrays=_without(route.read(body, accepted.params), accepted.refused),
    )


def _without(arrays: Arrays, refused: Mapping[str, list[int]]) -> Arrays:
    for name, indexes in refused.items():
        gone = set(indexes)
        arrays[name] = [
            item for index, item in enumerate(arrays[name]) if index not in gone
        ]
    return arrays
