"""Catalog items: create, edit, replace and delete, 50 a request, asynchronously.

All four share 16,000 requests a minute (their pages, "Rate limit") and answer 202. An
error refuses the request as a whole and names no item by its place, so a refused
request of many people is halved until it is found. The catalog and its fields must
exist; an item's ID has letters, digits, hyphens and underscores.
"""

from externalapi.template.batching import BatchPlan
from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.vendors.braze.facts.endpoints import (
    ADD_ITEMS,
    DELETE_ITEMS,
    REPLACE_ITEMS,
    UPDATE_ITEMS,
    Endpoint,
)
from externalapi.vendors.braze.presets.common import braze_preset
from externalapi.vendors.preset import Preset

GROUP = "Catalogs"
MAX_ITEMS = 50

CATALOG = Parameter(
    name="Catalog",
    description="The catalog's name; it must exist in Braze.",
    level=Level.FIXED,
    example="restaurants",
)
ITEM_ID = Parameter(
    name="Item ID",
    description="Letters, digits, hyphens and underscores.",
    level=Level.IDENTIFIER,
    example="item-4711",
)
_FIELDS = (
    Parameter(name="Item Name", required=False, example="Pizzeria Ada"),
    Parameter(name="Rating", type=ParameterType.NUMBER, required=False, example="4.5"),
)
_BODY = """\
{
  "items": [
    {
      "id": {{Item ID}},
      "Name": {{Item Name}},
      "Rating": {{Rating}}
    }
  ]
}
"""
_ONLY_IDS = """\
{
  "items": [
    {"id": {{Item ID}}}
  ]
}
"""


def _items(endpoint: Endpoint, code: str, name: str, description: str) -> Preset:
    has_fields = endpoint is not DELETE_ITEMS
    return braze_preset(
        endpoint,
        code=code,
        group=GROUP,
        name=name,
        description=description,
        path="/catalogs/{{Catalog}}/items",
        body=_BODY if has_fields else _ONLY_IDS,
        plan=BatchPlan(arrays=("items",), combined=MAX_ITEMS),
        objects=f"{MAX_ITEMS} items a request",
        parameters=(CATALOG, ITEM_ID, *(_FIELDS if has_fields else ())),
    )


PRESETS = (
    _items(
        ADD_ITEMS,
        "braze_create_catalog_items",
        "Braze Create catalog items",
        "Adds an item for a person to a catalog. Put the catalog's own fields into"
        " the body.",
    ),
    _items(
        UPDATE_ITEMS,
        "braze_edit_catalog_items",
        "Braze Edit catalog items",
        "Changes the fields that are sent, and leaves an item's others.",
    ),
    _items(
        REPLACE_ITEMS,
        "braze_replace_catalog_items",
        "Braze Replace catalog items",
        "Writes whole items: what is not sent is gone, and an unknown item is added.",
    ),
    _items(
        DELETE_ITEMS,
        "braze_delete_catalog_items",
        "Braze Delete catalog items",
        "Deletes a person's item from a catalog. It cannot be undone.",
    ),
)
