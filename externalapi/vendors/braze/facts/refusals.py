"""How the endpoints beside Track Users refuse: what Braze's pages and live answers say.

The pages give few of these texts. A text without a source of its own follows the
nearest one that has a source, and says that it is inferred.
"""

from externalapi.vendors.braze.facts.contract import Evidence, FatalAnswer, ObjectError

# Of each endpoint below: people, aliases, merges, recipients or catalog items.
MAX_OBJECTS = 50
PRIORITIZATIONS = frozenset(
    {"identified", "unidentified", "most_recently_updated", "least_recently_updated"}
)
# Wishes that exclude each other.
EXCLUSIVE = (
    ("identified", "unidentified"),
    ("most_recently_updated", "least_recently_updated"),
)
# A deletion knows no "least recently" (post_user_delete).
DELETE_PRIORITIZATIONS = PRIORITIZATIONS - {"least_recently_updated"}


def _inferred(text: str) -> FatalAnswer:
    return FatalAnswer(status=400, text=text, evidence=Evidence.INFERRED)


def _documented(text: str) -> FatalAnswer:
    return FatalAnswer(status=400, text=text)


def _object_inferred(sentence: str) -> ObjectError:
    return ObjectError(code="", sentence=sentence, evidence=Evidence.INFERRED)


# Both are in the table of api/errors: "caused by more than 50 external IDs".
TOO_MANY_IDS_AND_ALIASES = _documented(
    "The max number of external_ids and aliases per request was exceeded"
)
TOO_MANY_IDS = _documented("The max number of ids per request was exceeded")

# --- Aliases and identification (post_user_alias, post_users_alias_update,
# post_user_identify). The errors of one object: a partner's test data show
# "'external_id' is required" with the array "user_identifiers" and nothing processed.

IDENTIFIED_ARRAY = "user_identifiers"
NO_ALIASES = _inferred("'user_aliases' must be an array of objects")
NO_ALIAS_UPDATES = _inferred("'alias_updates' must be an array of objects")
NOBODY_TO_IDENTIFY = _inferred(
    "One of 'aliases_to_identify', 'emails_to_identify' or "
    "'phone_numbers_to_identify' must be an array of objects"
)
EXTERNAL_ID_REQUIRED = ObjectError(
    code="", sentence="'external_id' is required", evidence=Evidence.THIRD_PARTY
)
ALIAS_REQUIRED = _object_inferred("'alias_name' and 'alias_label' are required")
ALIAS_UPDATE_REQUIRED = _object_inferred(
    "'alias_label', 'old_alias_name' and 'new_alias_name' are required"
)
USER_ALIAS_REQUIRED = _object_inferred("'user_alias' is required")
EMAIL_REQUIRED = _object_inferred("'email' is required")
PHONE_REQUIRED = _object_inferred("'phone' is required")
PRIORITIZATION_NOT_VALID = _object_inferred("'prioritization' is not valid")
_BOTH = (
    "Request can not contain both of '{}' and '{}' values in the 'prioritization' array"
)
# The second is in a partner's test data, the first follows it.
PRIORITIZATION_OF_BOTH = {
    EXCLUSIVE[0]: _object_inferred(_BOTH.format(*EXCLUSIVE[0])),
    EXCLUSIVE[1]: ObjectError(
        code="",
        sentence=_BOTH.format(*EXCLUSIVE[1]),
        evidence=Evidence.THIRD_PARTY,
    ),
}

# --- Merges (post_users_merge, "Error reference") ------------------------------------

NO_MERGES = _documented("'merge_updates' must be an array of objects")
TOO_MANY_MERGES = _documented(
    "a single request may not contain more than 50 merge updates"
)
MERGE_IDENTIFIER_NOT_VALID = _documented(
    "identifiers must be objects with an 'external_id' property that is a string, "
    "'user_alias' property that is an object, 'email' property that is a string, "
    "or 'phone' property that is a string"
)
MERGE_KEYS_NOT_VALID = _documented(
    "'merge_updates' must only have 'identifier_to_merge' and 'identifier_to_keep'"
)
MERGE_PRIORITIZATION_NOT_VALID = _inferred(
    "'prioritization' must be an array of 'identified' or 'unidentified', "
    "'most_recently_updated' and 'least_recently_updated'"
)

# --- Deletions (post_user_delete) ----------------------------------------------------

NOBODY_TO_DELETE = _inferred(
    "One of 'external_ids', 'user_aliases', 'braze_ids', 'email_addresses' or "
    "'phone_numbers' is required"
)
# The text of the page allows one kind, its example has three: the text counts.
ONE_KIND_TO_DELETE = _inferred(
    "Only one of 'external_ids', 'user_aliases', 'braze_ids', 'email_addresses' or "
    "'phone_numbers' can be included in a single request"
)
DELETE_IDENTIFIER_NOT_VALID = _object_inferred("the identifier is not valid")

# --- External IDs (post_external_ids_rename, post_external_ids_remove) --------------

NO_RENAMES = _inferred("'external_id_renames' must be an array of objects")
NO_REMOVALS = _inferred("'external_ids' must be an array of strings")
RENAME_NOT_VALID = "'current_external_id' and 'new_external_id' must be strings"
RENAME_TO_ITSELF = "'current_external_id' and 'new_external_id' cannot be the same"
RENAME_OF_NOBODY = "'current_external_id' is not the primary ID of a user"
RENAME_TO_TAKEN = "'new_external_id' is already in use"
REMOVAL_OF_PRIMARY = "a primary external ID cannot be removed"
REMOVAL_OF_NOBODY = "the external ID is not a deprecated ID of a user"

# --- Subscription groups (post_update_user_subscription_group_status and its v2) ------

UNKNOWN_GROUP = FatalAnswer(
    status=400, text="Invalid subscription group ID", evidence=Evidence.MEASURED
)
EMAIL_AND_PHONE = _documented(
    "Either an email address or a phone number should be provided, but not both."
)
NO_GROUPS = _inferred("'subscription_groups' must be an array of objects")
GROUP_STATE_NOT_VALID = _inferred(
    "'subscription_state' must be 'subscribed' or 'unsubscribed'"
)
NOBODY_TO_SUBSCRIBE = _inferred(
    "One of 'external_ids', 'emails' or 'phones' is required"
)
SUBSCRIBER_NOT_VALID = _inferred(
    "'external_ids', 'emails' and 'phones' must be arrays of strings"
)
# "Phone numbers that are not in E.164 format are rejected", without a text.
PHONE_NOT_VALID = _inferred("'phones' must be in E.164 format")
WRONG_CHANNEL = _inferred(
    "email subscription groups take 'external_ids' or 'emails', SMS ones "
    "'external_ids' or 'phones'"
)

EMAIL_ADDRESS_REQUIRED = _inferred(
    "'email' must be an email address or an array of them"
)
EMAIL_STATE_NOT_VALID = _inferred(
    "'subscription_state' must be 'subscribed', 'unsubscribed', or 'opted_in'"
)

# --- Messages and triggers (post_send_messages, post_send_triggered_campaigns,
# post_send_triggered_canvases, recipient_object). Names of api/errors are the texts.

MESSAGE_TYPES = (
    "android_push",
    "apple_push",
    "content_card",
    "email",
    "kindle_push",
    "web_push",
    "webhook",
    "whats_app",
    "sms",
)
RECIPIENT_STATES = frozenset({"opted_in", "subscribed", "all"})
MAX_APPLE_PUSH_BYTES = 1912
MAX_ANDROID_PUSH_BYTES = 4000
MAX_CONTEXT_BYTES = 50 * 1024

NO_RECIPIENTS = _documented("No Recipients")
NO_MESSAGE = _documented("No message to send")
UNKNOWN_CAMPAIGN = _documented("Invalid Campaign ID")
VARIANT_UNSPECIFIED = _documented("Message Variant Unspecified")
EXTRA_NOT_VALID = _documented("Invalid Extra Push Payload")
APPLE_PUSH_TOO_LONG = _documented("Apple Push Length Exceeded")
ANDROID_PUSH_TOO_LONG = _documented("Android Push Length Exceeded")
EMAIL_NOT_VALID = _inferred(
    "'email' needs 'app_id', 'from', and 'body' or 'email_template_id'"
)
SEND_ID_ALONE = FatalAnswer(
    status=400, text="send_id requires campaign_id", evidence=Evidence.THIRD_PARTY
)
# The first is documented for transactional campaigns, the second was recorded when
# somebody asked for the details of "non-existing".
CAMPAIGN_ID_NOT_VALID = _documented(
    "campaign_id must be a string of the campaign api identifier"
)
CANVAS_ID_NOT_VALID = FatalAnswer(
    status=400,
    text="canvas_id must be a string of the Canvas api identifier",
    evidence=Evidence.MEASURED,
)
UNKNOWN_CANVAS = _inferred("Invalid Canvas ID")
RECIPIENT_STATE_NOT_VALID = _inferred(
    "'recipient_subscription_state' must be 'opted_in', 'subscribed' or 'all'"
)
BROADCAST_REQUIRED = _inferred("'broadcast' must be true without a list of recipients")
RECIPIENTS_IN_BROADCAST = _inferred(
    "a list of recipients cannot be included when 'broadcast' is true"
)
ATTACHMENTS_IN_BROADCAST = _inferred(
    "'attachments' cannot be included when 'broadcast' is true"
)
RECIPIENTS_NOT_VALID = _inferred("recipients must be an array")
PROPERTIES_NOT_OBJECT = _inferred("trigger properties and context must be objects")
CONTEXT_TOO_LARGE = _inferred("'context' must not be larger than 50 KB")
RECIPIENT_REQUIRED = _object_inferred(
    "'external_user_id', 'user_alias', 'braze_id' or 'email' is required"
)
ONE_RECIPIENT = _object_inferred(
    "You must specify only one of 'external_user_id', 'user_alias', 'braze_id' or "
    "'email'"
)
RECIPIENT_NOT_VALID = _object_inferred("the recipient's identifier is not valid")
RECIPIENT_PROPERTIES_NOT_VALID = _object_inferred(
    "the recipient's properties must be an object"
)
EXISTING_ONLY_WITH_ALIAS = _object_inferred(
    "'send_to_existing_only' cannot be false with a 'user_alias'"
)
ATTRIBUTES_REQUIRED = _object_inferred(
    "'attributes' is required when 'send_to_existing_only' is false"
)
# With 201: the Canvas is not sent (post_send_triggered_canvases).
CANVAS_NOTICES = {
    "paused": "The Canvas is paused. Resume the Canvas to ensure trigger requests will "
    "take effect.",
    "archived": "The Canvas is archived. Unarchive the Canvas to ensure trigger "
    "requests will take effect.",
}
