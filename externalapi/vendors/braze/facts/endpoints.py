"""Braze's endpoints: path, permission, rate limit and status of success, as plain values.

Each names its page (below braze.com/docs/api/endpoints), which is where these facts
come from; the limits are those of api/api_limits. What a request may carry and how it
is refused is in `externalapi.vendors.braze.facts.contract` and `externalapi.vendors.braze.facts.refusals`.
"""

from dataclasses import dataclass

from externalapi.vendors.braze.facts import contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So many requests in a window of the clock, of all endpoints that share it."""

    name: str
    requests: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path; `status` is that of success."""

    method: str
    path: str
    permission: str
    limit: Limit
    status: int
    page: str
    has_body: bool = True

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def url(self) -> str:
        """The address of its page in Braze's documentation."""
        return f"https://www.braze.com/docs/api/endpoints/{self.page}"

    def is_at(self, path: str) -> bool:
        """Whether a path, with placeholders of its own, is this endpoint's."""
        asked = path.partition("?")[0].rstrip("/").split("/")
        parts = self.path.split("/")
        return len(asked) == len(parts) and all(
            part.startswith("{") or part == one
            for part, one in zip(parts, asked, strict=True)
        )


MINUTE = 60

# The contract decides how many of these a workspace may send: the sandbox's plan.
TRACK_LIMIT = Limit(
    name="track", requests=contract.BURST_REQUESTS, seconds=contract.BURST_SECONDS
)
SYNC_LIMIT = Limit(name="track_sync", requests=500, seconds=MINUTE)
BULK_LIMIT = Limit(name="track_bulk", requests=50, seconds=1)
EXPORT_LIMIT = Limit(name="export_ids", requests=250, seconds=MINUTE)
PEOPLE_LIMIT = Limit(name="users", requests=20_000, seconds=MINUTE)
RENAME_LIMIT = Limit(name="external_ids_rename", requests=1000, seconds=MINUTE)
REMOVE_LIMIT = Limit(name="external_ids_remove", requests=1000, seconds=MINUTE)
SUBSCRIPTION_LIMIT = Limit(name="subscriptions", requests=5000, seconds=MINUTE)
SHARED_LIMIT = Limit(
    name="shared", requests=contract.HOURLY_REQUESTS, seconds=contract.HOUR_SECONDS
)
# Sends to a whole segment instead of named people: of all audiences, and of each.
BROADCAST_LIMIT = Limit(name="broadcast", requests=250, seconds=MINUTE)
AUDIENCE_LIMIT = Limit(name="audience", requests=10, seconds=MINUTE)
CATALOGS_LIMIT = Limit(name="catalogs", requests=50, seconds=MINUTE)
CATALOG_ITEMS_LIMIT = Limit(name="catalog_items", requests=16_000, seconds=MINUTE)
CATALOG_ITEM_LIMIT = Limit(name="catalog_item", requests=50, seconds=MINUTE)

LIMITS = (
    TRACK_LIMIT,
    SYNC_LIMIT,
    BULK_LIMIT,
    EXPORT_LIMIT,
    PEOPLE_LIMIT,
    RENAME_LIMIT,
    REMOVE_LIMIT,
    SUBSCRIPTION_LIMIT,
    SHARED_LIMIT,
    BROADCAST_LIMIT,
    AUDIENCE_LIMIT,
    CATALOGS_LIMIT,
    CATALOG_ITEMS_LIMIT,
    CATALOG_ITEM_LIMIT,
)

# --- People -------------------------------------------------------------------------

TRACK = Endpoint(
    method="POST",
    path=contract.TRACK,
    permission="users.track",
    limit=TRACK_LIMIT,
    status=201,
    page="user_data/post_user_track",
)
TRACK_SYNC = Endpoint(
    method="POST",
    path=contract.TRACK_SYNC,
    permission="users.track.sync",
    limit=SYNC_LIMIT,
    status=201,
    page="user_data/post_user_track_synchronous",
)
TRACK_BULK = Endpoint(
    method="POST",
    path=contract.TRACK_BULK,
    permission="users.track.bulk",
    limit=BULK_LIMIT,
    status=201,
    page="user_data/post_user_track_bulk",
)
EXPORT_IDS = Endpoint(
    method="POST",
    path=contract.EXPORT_IDS,
    permission="users.export.ids",
    limit=EXPORT_LIMIT,
    status=201,
    page="export/user_data/post_users_identifier",
)
IDENTIFY = Endpoint(
    method="POST",
    path="/users/identify",
    permission="users.identify",
    limit=PEOPLE_LIMIT,
    status=201,
    page="user_data/post_user_identify",
)
NEW_ALIAS = Endpoint(
    method="POST",
    path="/users/alias/new",
    permission="users.alias.new",
    limit=PEOPLE_LIMIT,
    status=201,
    page="user_data/post_user_alias",
)
# The page shows no answer: that it is 201 as for its neighbours is inferred.
UPDATE_ALIAS = Endpoint(
    method="POST",
    path="/users/alias/update",
    permission="users.alias.update",
    limit=PEOPLE_LIMIT,
    status=201,
    page="user_data/post_users_alias_update",
)
DELETE_USERS = Endpoint(
    method="POST",
    path="/users/delete",
    permission="users.delete",
    limit=PEOPLE_LIMIT,
    status=201,
    page="user_data/post_user_delete",
)
MERGE_USERS = Endpoint(
    method="POST",
    path="/users/merge",
    permission="users.merge",
    limit=PEOPLE_LIMIT,
    status=202,
    page="user_data/post_users_merge",
)
RENAME_EXTERNAL_IDS = Endpoint(
    method="POST",
    path="/users/external_ids/rename",
    permission="users.external_ids.rename",
    limit=RENAME_LIMIT,
    status=201,
    page="user_data/external_id_migration/post_external_ids_rename",
)
REMOVE_EXTERNAL_IDS = Endpoint(
    method="POST",
    path="/users/external_ids/remove",
    permission="users.external_ids.remove",
    limit=REMOVE_LIMIT,
    status=201,
    page="user_data/external_id_migration/post_external_ids_remove",
)

# --- Subscription groups ------------------------------------------------------------

SET_SUBSCRIPTION = Endpoint(
    method="POST",
    path="/subscription/status/set",
    permission="subscription.status.set",
    limit=SUBSCRIPTION_LIMIT,
    status=201,
    page="subscription_groups/post_update_user_subscription_group_status",
)
SET_SUBSCRIPTIONS = Endpoint(
    method="POST",
    path="/v2/subscription/status/set",
    permission="subscription.status.set",
    limit=SUBSCRIPTION_LIMIT,
    status=201,
    page="subscription_groups/post_update_user_subscription_group_status_v2",
)
GET_SUBSCRIPTION = Endpoint(
    method="GET",
    path="/subscription/status/get",
    permission="subscription.status.get",
    limit=SHARED_LIMIT,
    status=200,
    page="subscription_groups/get_list_user_subscription_group_status",
    has_body=False,
)
GET_SUBSCRIPTIONS = Endpoint(
    method="GET",
    path="/subscription/user/status",
    permission="subscription.groups.get",
    limit=SHARED_LIMIT,
    status=200,
    page="subscription_groups/get_list_user_subscription_groups",
    has_body=False,
)

SET_EMAIL_STATUS = Endpoint(
    method="POST",
    path="/email/status",
    permission="email.status",
    limit=SHARED_LIMIT,
    status=201,
    page="email/post_email_subscription_status",
)

# --- Messages -----------------------------------------------------------------------

SEND_MESSAGES = Endpoint(
    method="POST",
    path="/messages/send",
    permission="messages.send",
    limit=SHARED_LIMIT,
    status=201,
    page="messaging/send_messages/post_send_messages",
)
TRIGGER_CAMPAIGN = Endpoint(
    method="POST",
    path="/campaigns/trigger/send",
    permission="campaigns.trigger.send",
    limit=SHARED_LIMIT,
    status=201,
    page="messaging/send_messages/post_send_triggered_campaigns",
)
TRIGGER_CANVAS = Endpoint(
    method="POST",
    path="/canvas/trigger/send",
    permission="canvas.trigger.send",
    limit=SHARED_LIMIT,
    status=201,
    page="messaging/send_messages/post_send_triggered_canvases",
)

# --- Catalogs -----------------------------------------------------------------------

LIST_CATALOGS = Endpoint(
    method="GET",
    path="/catalogs",
    permission="catalogs.get",
    limit=CATALOGS_LIMIT,
    status=200,
    page="catalogs/catalog_management/synchronous/get_list_catalogs",
    has_body=False,
)
CREATE_CATALOG = Endpoint(
    method="POST",
    path="/catalogs",
    permission="catalogs.create",
    limit=CATALOGS_LIMIT,
    status=201,
    page="catalogs/catalog_management/synchronous/post_create_catalog",
)
DELETE_CATALOG = Endpoint(
    method="DELETE",
    path="/catalogs/{catalog_name}",
    permission="catalogs.delete",
    limit=CATALOGS_LIMIT,
    status=200,
    page="catalogs/catalog_management/synchronous/delete_catalog",
    has_body=False,
)
LIST_ITEMS = Endpoint(
    method="GET",
    path="/catalogs/{catalog_name}/items",
    permission="catalogs.get_items",
    limit=CATALOG_ITEM_LIMIT,
    status=200,
    page="catalogs/catalog_items/synchronous/get_catalog_items_details_bulk",
    has_body=False,
)
# Asynchronous, fifty items: 202.
ADD_ITEMS = Endpoint(
    method="POST",
    path="/catalogs/{catalog_name}/items",
    permission="catalogs.add_items",
    limit=CATALOG_ITEMS_LIMIT,
    status=202,
    page="catalogs/catalog_items/asynchronous/post_create_catalog_items_bulk",
)
UPDATE_ITEMS = Endpoint(
    method="PATCH",
    path="/catalogs/{catalog_name}/items",
    permission="catalogs.update_items",
    limit=CATALOG_ITEMS_LIMIT,
    status=202,
    page="catalogs/catalog_items/asynchronous/patch_catalog_items_bulk",
)
REPLACE_ITEMS = Endpoint(
    method="PUT",
    path="/catalogs/{catalog_name}/items",
    permission="catalogs.replace_items",
    limit=CATALOG_ITEMS_LIMIT,
    status=202,
    page="catalogs/catalog_items/asynchronous/put_update_catalog_items",
)
DELETE_ITEMS = Endpoint(
    method="DELETE",
    path="/catalogs/{catalog_name}/items",
    permission="catalogs.delete_items",
    limit=CATALOG_ITEMS_LIMIT,
    status=202,
    page="catalogs/catalog_items/asynchronous/delete_catalog_items_bulk",
)
# Synchronous, one item.
GET_ITEM = Endpoint(
    method="GET",
    path="/catalogs/{catalog_name}/items/{item_id}",
    permission="catalogs.get_item",
    limit=CATALOG_ITEM_LIMIT,
    status=200,
    page="catalogs/catalog_items/synchronous/get_catalog_item_details",
    has_body=False,
)
CREATE_ITEM = Endpoint(
    method="POST",
    path="/catalogs/{catalog_name}/items/{item_id}",
    permission="catalogs.create_item",
    limit=CATALOG_ITEM_LIMIT,
    status=201,
    page="catalogs/catalog_items/synchronous/post_create_catalog_item",
)
UPDATE_ITEM = Endpoint(
    method="PATCH",
    path="/catalogs/{catalog_name}/items/{item_id}",
    permission="catalogs.update_item",
    limit=CATALOG_ITEM_LIMIT,
    status=200,
    page="catalogs/catalog_items/synchronous/patch_catalog_item",
)
REPLACE_ITEM = Endpoint(
    method="PUT",
    path="/catalogs/{catalog_name}/items/{item_id}",
    permission="catalogs.replace_item",
    limit=CATALOG_ITEM_LIMIT,
    status=200,
    page="catalogs/catalog_items/synchronous/put_update_catalog_item",
)
DELETE_ITEM = Endpoint(
    method="DELETE",
    path="/catalogs/{catalog_name}/items/{item_id}",
    permission="catalogs.delete_item",
    limit=CATALOG_ITEM_LIMIT,
    status=202,
    page="catalogs/catalog_items/synchronous/delete_catalog_item",
    has_body=False,
)
