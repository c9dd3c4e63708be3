"""Catalogs: their limits, and the errors by which Braze refuses items.

The pages below api/endpoints/catalogs list the errors by their IDs; a few have their
message in an example, and the other messages follow the page's explanation.
"""

import re
from dataclasses import dataclass

from externalapi.vendors.braze.facts.contract import Evidence

FIELD_TYPES = ("string", "number", "boolean", "time", "object", "array")
MAX_ITEMS = 50  # a request; one for an endpoint with the item's ID in its path
MAX_ITEM_CHARS = 5000
MAX_ID_CHARS = 250
MAX_NAME_CHARS = 250
MAX_DESCRIPTION_CHARS = 250
MAX_FIELDS = 500
MAX_DEPTH = 50
ITEMS_PER_PAGE = 50
NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogError:
    """One entry of `errors`; `parameter` names what the values at fault are of."""

    id: str
    message: str
    status: int = 400
    parameter: str = "id"
    evidence: Evidence = Evidence.INFERRED


CATALOG_NOT_FOUND = CatalogError(
    id="catalog-not-found",
    message="Could not find catalog",
    status=404,
    parameter="catalog_name",
)
CATALOG_EXISTS = CatalogError(
    id="catalog-name-already-exists",
    message="A catalog with that name already exists",
    parameter="name",
    evidence=Evidence.MEASURED,
)
CATALOG_ARRAY_NOT_VALID = CatalogError(
    id="catalog-array-invalid",
    message="'catalogs' must be an array of objects",
    parameter="catalogs",
)
TOO_MANY_CATALOGS = CatalogError(
    id="too-many-catalog-atoms",
    message="You can only create one catalog per request",
    parameter="catalogs",
)
CATALOG_NAME_NOT_VALID = CatalogError(
    id="invalid-catalog-name",
    message="Catalog name can only include letters, numbers, hyphens, and underscores",
    parameter="name",
)
CATALOG_NAME_TOO_LARGE = CatalogError(
    id="catalog-name-too-large",
    message="Character limit for a catalog name is 250",
    parameter="name",
)
DESCRIPTION_TOO_LONG = CatalogError(
    id="description-too-long",
    message="Character limit for description is 250",
    parameter="description",
)
FIELDS_NOT_VALID = CatalogError(
    id="invalid-fields",
    message="'fields' is not formatted correctly",
    parameter="fields",
)
TOO_MANY_FIELDS = CatalogError(
    id="too-many-fields", message="Number of fields limit is 500", parameter="fields"
)
ID_NOT_FIRST = CatalogError(
    id="id-not-first-column",
    message="The 'id' must be the first field in the array, and a string",
    parameter="fields",
)
FIELD_NAMES_NOT_UNIQUE = CatalogError(
    id="field-names-not-unique",
    message="The same field name is referenced twice",
    parameter="fields",
)
FIELD_NAMES_TOO_LARGE = CatalogError(
    id="field-names-too-large",
    message="Character limit for a field name is 250",
    parameter="fields",
)
FIELD_NAMES_NOT_VALID = CatalogError(
    id="invalid-field-names",
    message="Fields can only include letters, numbers, hyphens, and underscores",
    parameter="fields",
)
FIELD_TYPES_NOT_VALID = CatalogError(
    id="invalid-field-types",
    message="Make sure the field types are valid",
    parameter="fields",
)

ITEM_ARRAY_NOT_VALID = CatalogError(
    id="item-array-invalid",
    message="'items' must be an array of objects",
    parameter="items",
)
TOO_MANY_ITEMS = CatalogError(
    id="request-includes-too-many-items",
    message="Your request has too many items",
    parameter="items",
)
IDS_MISSING = CatalogError(
    id="items-missing-ids",
    message="There are {count} item(s) that do not have ids",
    evidence=Evidence.DOCUMENTED,
)
IDS_NOT_STRINGS = CatalogError(
    id="ids-not-strings", message="Item IDs must be of type string"
)
IDS_TOO_LARGE = CatalogError(
    id="ids-too-large", message="Item IDs can't be more than 250 characters"
)
IDS_NOT_VALID = CatalogError(
    id="invalid-ids",
    message="Item IDs can only include letters, numbers, hyphens, and underscores",
)
IDS_NOT_UNIQUE = CatalogError(
    id="ids-not-unique", message="Item IDs must be unique in the request"
)
ID_IN_BODY = CatalogError(
    id="id-in-body", message="Remove any item IDs in the request body"
)
UNKNOWN_FIELDS = CatalogError(
    id="invalid-fields",
    message="Some of the fields given do not exist in the catalog",
    evidence=Evidence.DOCUMENTED,
)
KEYS_NOT_VALID = CatalogError(
    id="invalid-keys-in-value-object",
    message="Item object keys can't include '.' or '$'",
)
TOO_DEEP = CatalogError(
    id="too-deep-nesting-in-value-object",
    message="Item objects can't have more than 50 levels of nesting",
)
NOT_COERCIBLE = CatalogError(
    id="unable-to-coerce-value", message="Item types can't be converted"
)
ITEMS_TOO_LARGE = CatalogError(
    id="items-too-large", message="Item values can't exceed 5,000 characters"
)
ITEM_EXISTS = CatalogError(
    id="item-already-exists",
    message="The item already exists in the catalog",
    parameter="item_id",
)
ITEM_NOT_FOUND = CatalogError(
    id="item-not-found",
    message="Could not find item",
    status=404,
    parameter="item_id",
    evidence=Evidence.DOCUMENTED,
)
CURSOR_NOT_VALID = CatalogError(
    id="invalid-cursor",
    message="'cursor' is not valid",
    parameter="cursor",
    evidence=Evidence.DOCUMENTED,
)
