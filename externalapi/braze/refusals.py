"""How the endpoints beside Track Users refuse: what Braze's pages and live answers say.

The pages give few of these texts. A text without a source of its own follows the
nearest one that has a source, and says that it is inferred.
"""

from externalapi.braze.contract import Evidence, FatalAnswer, ObjectError

# Of each endpoint below: people, aliases, merges, recipients or catalog items.
MAX_OBJECTS = 50
PRIORITIZATIONS = frozenset(
    {"identified", "unidentified", "most_recently_updated", "least_recently_updated"}
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
