"""What Test Configuration would send, without sending it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from externalapi.connections.encryption import read_key
from externalapi.definitions.compiled import compile_version
from externalapi.models import ExternalAPIVersion
from externalapi.template.parameters import Level, Parameter
from externalapi.testing import records
from lemnisk_braze.lib.json_types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """The very request, its key masked, and what became of the values.

    `objects` counts the entries of the body's arrays. `left_out` are parameters without
    a value: their keys are not sent. `defaults` are those whose default steps in.
    """

    request: Mapping[str, Any]
    objects: tuple[tuple[str, int], ...]
    left_out: tuple[Parameter, ...]
    defaults: tuple[Parameter, ...]
    people_per_request: int


def dry_run(version: ExternalAPIVersion, values: Mapping[str, str]) -> DryRun:
    """Render one person's request through the code that sends; nothing leaves.

    Raises SecretError and the errors of rendering.
    """
    definition = compile_version(version)
    request, _ = definition.request(definition.render(dict(values)))
    asked = (p for p in definition.parameters if p.level is not Level.FIXED)
    empty = [parameter for parameter in asked if not values.get(parameter.name)]
    return DryRun(
        request=records.sent(request, read_key(version.connection)),
        objects=_objects(request.body),
        left_out=tuple(p for p in empty if not p.default),
        defaults=tuple(p for p in empty if p.default),
        people_per_request=definition.people_per_request,
    )


def _objects(body: bytes | None) -> tuple[tuple[str, int], ...]:
    try:
        tree: JSON = orjson.loads(body or b"null")
    except orjson.JSONDecodeError:
        return ()
    if not isinstance(tree, dict):
        return ()
    return tuple((k, len(item)) for k, item in tree.items() if isinstance(item, list))
