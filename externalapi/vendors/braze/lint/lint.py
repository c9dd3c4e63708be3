"""A linter that knows Braze: what it would refuse, lose or take another way.

It reads the template, not one person's body: a placeholder is a value of a known type.
The rules are those of post_user_track and the objects' pages, and for the other
endpoints those of `endpoint_shapes`, each finding with its page; an error is what Braze
refuses for certain.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from externalapi.template.parameters import Parameter
from externalapi.template.spans import Path
from externalapi.template.stand_ins import gaps
from externalapi.vendors.braze.facts import contract, endpoints
from externalapi.vendors.braze.facts.contract import ObjectLimit
from externalapi.vendors.braze.facts.endpoints import Endpoint
from externalapi.vendors.braze.lint.attributes import lint_attributes
from externalapi.vendors.braze.lint.endpoint_shapes import OTHERS, SHAPES
from externalapi.vendors.braze.lint.events_and_purchases import (
    lint_event,
    lint_purchase,
)
from externalapi.vendors.braze.lint.findings import (
    ERRORS_PAGE,
    LIMITS_PAGE,
    TRACK_PAGE,
    Finding,
    Findings,
    Severity,
    error,
    warning,
)
from externalapi.vendors.braze.lint.identifiers import lint_identifier
from externalapi.vendors.braze.lint.shape import Shape, lint_shape
from externalapi.vendors.braze.lint.spelling import likely
from externalapi.vendors.braze.lint.template_values import Unknown, Value, with_types
from lemnisk_braze.lib.json_types import JSON

__all__ = ["Finding", "Severity", "is_track", "lint", "lint_request"]

_TRACK_PATHS = (contract.TRACK, contract.TRACK_SYNC, contract.TRACK_BULK)
_TOP_LEVEL = frozenset({*contract.TRACK_ARRAYS, "partner"})
_ORDER = list(Severity)
_ENDPOINTS = (
    *(endpoints.TRACK, endpoints.TRACK_SYNC, endpoints.TRACK_BULK),
    *(endpoint for endpoint, _ in SHAPES),
    *OTHERS,
)


def is_track(path: str) -> bool:
    """Whether a path is one of Braze's that take attributes, events and purchases."""
    return path.partition("?")[0].rstrip("/") in _TRACK_PATHS


def lint(
    tree: JSON,
    parameters: Sequence[Parameter] = (),
    *,
    path: str = contract.TRACK,
    method: str = "POST",
    limit: ObjectLimit = contract.OBJECT_LIMITS[contract.DEFAULT_OBJECT_LIMIT],
) -> list[Finding]:
    """Return the findings of a body, errors first, then in the body's order.

    A body for a path that is not known has none.
    """
    body = with_types(tree, parameters)
    if is_track(path):
        findings = [*_body(body, _limit(path, limit)), *_left_over(tree, ())]
    elif known := _known(method, path):
        endpoint, shape = known
        findings = [
            *lint_shape(shape, body, (), endpoint.url),
            *_left_over(tree, (), endpoint.url),
        ]
    else:
        return []
    return sorted(findings, key=lambda one: _ORDER.index(one.severity))


def lint_request(method: str, path: str, headers: Mapping[str, str]) -> list[Finding]:
    """Return the findings of a request outside its body, where the path is known."""
    methods = {one.method: one.url for one in _ENDPOINTS if one.is_at(path)}
    if not methods:
        return []
    has_body = is_track(path) or _known(method, path) is not None
    return [
        *_method(method, methods),
        *_path(path),
        *(_content_type(headers) if has_body else ()),
    ]


def _known(method: str, path: str) -> tuple[Endpoint, Shape] | None:
    found = (
        (endpoint, shape)
        for endpoint, shape in SHAPES
        if endpoint.method == method and endpoint.is_at(path)
    )
    return next(found, None)


def _limit(path: str, limit: ObjectLimit) -> ObjectLimit:
    by_path = {
        contract.TRACK_SYNC: contract.SYNC_OBJECT_LIMIT,
        contract.TRACK_BULK: contract.BULK_OBJECT_LIMIT,
    }
    return by_path.get(path.rstrip("/"), limit)


# The request


def _method(method: str, methods: Mapping[str, str]) -> Findings:
    """`methods` are those that the path has, each with its page."""
    if method not in methods:
        found = error(
            (),
            f"Braze takes {method} here for an unknown address.",
            f"Choose {' or '.join(methods)}.",
            next(iter(methods.values())),
        )
        yield replace(found, field="method")


def _path(path: str) -> Findings:
    if path.endswith("/"):
        found = warning(
            (),
            "A slash at the end can produce unexpected errors.",
            "Take it off.",
            ERRORS_PAGE,
        )
        yield replace(found, field="path")


def _content_type(headers: Mapping[str, str]) -> Findings:
    for name, value in headers.items():
        if name.lower() == "content-type" and "json" not in value.lower():
            found = error(
                (),
                f"Braze takes JSON alone, not {value[:60]}.",
                "Write Content-Type: application/json.",
                ERRORS_PAGE,
            )
            yield replace(found, field="headers")


# The body as a whole


def _body(body: Value, limit: ObjectLimit) -> Findings:
    if isinstance(body, Unknown):
        return
    if not isinstance(body, dict):
        yield error(
            (), "The body is not an object.", 'Write {"attributes": […]}.', TRACK_PAGE
        )
        return
    for key in body:
        if key not in _TOP_LEVEL:
            yield _unknown_key(key)
    arrays = {name: body[name] for name in contract.TRACK_ARRAYS if name in body}
    if not any(arrays.values()):
        yield error(
            (),
            "There is nothing in attributes, events or purchases; Braze refuses this.",
            "Add at least one object to one of them.",
            TRACK_PAGE,
        )
    yield from _sizes(arrays, limit)
    for name, items in arrays.items():
        yield from _array(name, items)


def _unknown_key(key: str) -> Finding:
    if key == "api_key":
        advice = (
            "Take it out: the connection signs in, and a key here is stored openly."
        )
    elif meant := likely(key, _TOP_LEVEL) or likely(f"{key}s", _TOP_LEVEL):
        advice = f"Did you mean “{meant}”?"
    else:
        advice = "Braze reads attributes, events and purchases."
    return warning((key,), f"Braze ignores “{key}” here.", advice, TRACK_PAGE)


def _sizes(arrays: Mapping[str, Value], limit: ObjectLimit) -> Findings:
    sizes = {name: len(one) for name, one in arrays.items() if isinstance(one, list)}
    if limit.combined is not None and sum(sizes.values()) > limit.combined:
        yield _too_many((), sum(sizes.values()), limit.combined, "together")
    for name, size in sizes.items():
        if limit.per_array is not None and size > limit.per_array:
            yield _too_many((name,), size, limit.per_array, "in each array")


def _too_many(path: Path, size: int, limit: int, where: str) -> Finding:
    objects = "1 object" if limit == 1 else f"{limit} objects"
    return error(
        path,
        f"There are {size}; Braze takes {objects} {where} in one request.",
        "Take some out: this is one person's body, people are put together later.",
        LIMITS_PAGE,
    )


def _array(name: str, items: Value) -> Findings:
    if isinstance(items, Unknown):
        return
    if not isinstance(items, list):
        yield error(
            (name,),
            f"“{name}” is a list of objects.",
            f'Write "{name}": [ … ].',
            TRACK_PAGE,
        )
        return
    for index, item in enumerate(items):
        path: Path = (name, index)
        if isinstance(item, dict):
            yield from lint_identifier(item, path, name)
            yield from _LINTERS[name](item, path)
        elif not isinstance(item, Unknown):
            yield error(
                path, f"“{name}” is a list of objects.", "Write { … } here.", TRACK_PAGE
            )


# Anywhere


def _left_over(tree: JSON, at: Path, page: str = TRACK_PAGE) -> Findings:
    """Words of an example that nobody replaced: your_app_identifier, <user_id>."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _left_over(value, (*at, key), page)
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _left_over(value, (*at, index), page)
    elif isinstance(tree, str) and (found := gaps(tree)):
        yield warning(
            at,
            f"“{found[0][0]}” stands for a value that is still missing.",
            "Write the value, or a parameter such as {{App ID}}.",
            page,
        )


_LINTERS: Mapping[str, Callable[[Mapping[str, Value], Path], Findings]] = {
    "attributes": lint_attributes,
    "events": lint_event,
    "purchases": lint_purchase,
}
