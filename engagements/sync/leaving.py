"""Who has left the segment: the attributes that the engagement wrote are cleared.

Their values play no part, so nothing but their identifier is rendered: who lost the value
that a segment asks for has left for just that reason.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from engagements.outbox.known import Known, Mark
from engagements.personalization.columns import Group
from engagements.personalization.renderer import Recipe, Skip, compile_recipe
from engagements.sync import shape as shapes
from engagements.sync.shape import Shape
from engagements.variants.plan import Variants
from externalapi.definitions.compiled import Rendered
from externalapi.models import ExternalAPIVersion
from externalapi.template import bodies
from externalapi.template.placeholders import find_in_tree
from externalapi.vendors.braze.facts.contract import identifiers_of
from lemnisk_braze.lib.json_types import JSON

NOTHING_WRITTEN = Skip(
    code="left_segment",
    message="The person left the segment, and nothing is to be cleared.",
)


class Parted(NamedTuple):
    """The bodies of those who left and what is kept of them then, by position."""

    rendered: Rendered | None
    skipped: Mapping[int, Skip]
    marks: Mapping[int, Mark]
    bodies: Mapping[int, JSON]


NOBODY = Parted(None, {}, {}, {})


def recipe(
    version: ExternalAPIVersion, values: Mapping[str, str], variants: Variants
) -> Recipe:
    """The version without any value but the identifiers; raises ValueError."""
    own = shapes.attributes_of(version)
    names = identifiers_of(own)
    kept = {n: item for n, item in own.items() if n in names or shapes.is_flag(n)}
    tree = bodies.parse(version.body_kind, version.body)
    assert isinstance(tree, dict)
    rest = {n: i for n, i in tree.items() if n not in ("events", "purchases")}
    bare = copy.copy(version)
    bare.body = orjson.dumps({**rest, "attributes": [kept]}).decode()
    asked = find_in_tree(
        [bare.target, *bare.headers.values(), rest | {"attributes": kept}]
    )
    bare.parameters = [one for one in version.parameters if one["name"] in asked]
    return compile_recipe(bare, values, variants)


def render(
    bare: Recipe,
    shape: Shape,
    group: Group,
    known: Sequence[Known | None],
    positions: Sequence[int],
) -> Parted:
    """Render those who left, who are at these positions of the whole group."""
    rendered, own = bare.render(group)
    skipped = {positions[n]: why for n, why in own.items()}
    marks: dict[int, Mark] = {}
    found: dict[int, JSON] = {}
    going = [n for n in positions if n not in skipped]
    for n, body in zip(going, rendered.bodies if rendered else (), strict=True):
        gone = _cleared(shape, known[n])
        items = body.get("attributes") if isinstance(body, dict) else None
        if not gone or not isinstance(items, list) or not isinstance(items[0], dict):
            skipped[n] = NOTHING_WRITTEN
            continue
        assert isinstance(body, dict)
        found[n] = {**body, "attributes": [{**items[0], **gone}]}
        marks[n] = Mark(None, len(gone), 0)
    return Parted(rendered, skipped, marks, found)


def _cleared(shape: Shape, known: Known | None) -> dict[str, JSON]:
    if known is None:
        return {}
    size = shapes.TAG_BYTES
    entries = known.state[8:]
    written = {entries[at : at + size] for at in range(0, len(entries), size + 8)}
    return {name: None for name, tag in shape.tags.items() if tag in written}
