"""A linter that knows Braze: what it would refuse, lose or take another way.

It reads the template, not one person's body: a placeholder is a value of a known type.
The rules are those of post_user_track and the objects' pages, each finding with its
page; an error is what Braze refuses for certain.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from externalapi.braze import contract
from externalapi.braze.contract import ObjectLimit
from externalapi.braze.findings import (
    ALIAS_PAGE,
    ATTRIBUTES_PAGE,
    ERRORS_PAGE,
    LIMITS_PAGE,
    TRACK_PAGE,
    Finding,
    Findings,
    Severity,
    error,
    hint,
    warning,
)
from externalapi.braze.lint_attributes import lint_attributes
from externalapi.braze.lint_moments import lint_event, lint_purchase
from externalapi.braze.names import likely
from externalapi.braze.template_values import Unknown, Value, may_be_missing, with_types
from externalapi.gaps import gaps
from externalapi.layout import Path
from externalapi.parameters import JSON, Parameter

__all__ = ["Finding", "Severity", "is_track", "lint", "lint_request"]

_TRACK_PATHS = (contract.TRACK, contract.TRACK_SYNC, contract.TRACK_BULK)
_TOP_LEVEL = frozenset({*contract.TRACK_ARRAYS, "partner"})
_ORDER = list(Severity)


def is_track(path: str) -> bool:
    """Whether a path is one of Braze's that take attributes, events and purchases."""
    return path.partition("?")[0].rstrip("/") in _TRACK_PATHS


def lint(
    tree: JSON,
    parameters: Sequence[Parameter] = (),
    *,
    path: str = contract.TRACK,
    limit: ObjectLimit = contract.OBJECT_LIMITS[contract.DEFAULT_OBJECT_LIMIT],
) -> list[Finding]:
    """Return the findings of a track body, errors first, then in the body's order.

    A body for another path has none.
    """
    if not is_track(path):
        return []
    body = with_types(tree, parameters)
    findings = [*_body(body, _limit(path, limit)), *_left_over(tree, ())]
    return sorted(findings, key=lambda one: _ORDER.index(one.severity))


def lint_request(method: str, path: str, headers: Mapping[str, str]) -> list[Finding]:
    """Return the findings of a track request outside its body."""
    if not is_track(path):
        return []
    return [*_method(method), *_path(path), *_content_type(headers)]


def _limit(path: str, limit: ObjectLimit) -> ObjectLimit:
    by_path = {
        contract.TRACK_SYNC: contract.SYNC_OBJECT_LIMIT,
        contract.TRACK_BULK: contract.BULK_OBJECT_LIMIT,
    }
    return by_path.get(path.rstrip("/"), limit)


# The request


def _method(method: str) -> Findings:
    if method != "POST":
        found = error(
            (),
            f"Braze takes {method} here for an unknown address.",
            "Choose POST.",
            TRACK_PAGE,
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
            yield from _identifier(item, path, name)
            yield from _LINTERS[name](item, path)
        elif not isinstance(item, Unknown):
            yield error(
                path, f"“{name}” is a list of objects.", "Write { … } here.", TRACK_PAGE
            )


# Identifiers (post_user_track, "Identifier resolution")


def _identifier(item: Mapping[str, Value], at: Path, array: str) -> Findings:
    if array == "attributes" and item.get("push_token_import") is True:
        return
    given = [key for key in contract.IDENTIFIERS if item.get(key) not in (None, "")]
    # An empty one beside another is one too many all the same.
    primary = [
        key
        for key in contract.PRIMARY_IDENTIFIERS
        if item.get(key) is not None and (key in given or key != "external_id")
    ]
    if not given:
        yield error(
            at,
            "Nothing says whose this is; Braze refuses the object.",
            f"Add one of {', '.join(contract.IDENTIFIERS)}.",
            TRACK_PAGE,
        )
    elif len(primary) > 1:
        yield error(
            (*at, primary[1]),
            f"{' and '.join(primary)} are in one object; Braze takes one of them.",
            f"Keep {primary[0]} and take the other out.",
            TRACK_PAGE,
        )
    else:
        key = (primary or given)[0]
        yield from _one_identifier(key, item[key], (*at, key))
        yield from _who_is_found(item, primary, at)


def _who_is_found(item: Mapping[str, Value], primary: list[str], at: Path) -> Findings:
    if not primary and item.get("email") and item.get("phone"):
        yield hint(
            (*at, "phone"),
            "Braze finds the person by email; phone is not looked at.",
            "Leave one of them out if that is not what you mean.",
            TRACK_PAGE,
        )
    if primary == ["user_alias"] and "_update_existing_only" not in item:
        yield hint(
            (*at, "user_alias"),
            "People whose alias Braze does not know yet are left out.",
            'Add "_update_existing_only": false to create them.',
            ATTRIBUTES_PAGE,
        )


def _one_identifier(key: str, value: Value, path: Path) -> Findings:
    if isinstance(value, Unknown):
        if may_be_missing(value):
            yield warning(
                path,
                f"Without a value for “{value.name}” nothing says whose this is.",
                "Make the parameter required.",
                TRACK_PAGE,
            )
    elif key == "user_alias":
        yield from _alias(value, path)
    elif key == "external_id" and type(value) not in (str, int):
        yield error(path, f"“{key}” is a text.", "Write it in quotes.", TRACK_PAGE)
    elif key == "external_id" and (
        len(str(value).encode()) > contract.MAX_EXTERNAL_ID_BYTES
    ):
        yield error(
            path,
            f"“{key}” has at most {contract.MAX_EXTERNAL_ID_BYTES} bytes.",
            "Shorten it.",
            TRACK_PAGE,
        )
    else:
        yield _constant(key, path)


def _alias(alias: Value, path: Path) -> Findings:
    parts = alias if isinstance(alias, dict) else {}
    for key in ("alias_name", "alias_label"):
        value = parts.get(key)
        if isinstance(value, Unknown):
            continue
        size = len(value.encode()) if isinstance(value, str) else 0
        if not 0 < size <= contract.MAX_ALIAS_BYTES:
            yield error(
                (*path, key) if key in parts else path,
                f"A user alias needs “{key}”, a text of at most "
                f"{contract.MAX_ALIAS_BYTES} bytes.",
                'Write {"alias_name": {{Name}}, "alias_label": "crm"}.',
                ALIAS_PAGE,
            )
    if isinstance(parts.get("alias_name"), str):
        yield _constant("alias_name", (*path, "alias_name"))


def _constant(key: str, path: Path) -> Finding:
    return warning(
        path,
        f"“{key}” is the same for everybody: all are written to one profile.",
        "Write a parameter that is the person's channel identifier.",
        TRACK_PAGE,
    )


# Anywhere


def _left_over(tree: JSON, at: Path) -> Findings:
    """Words of an example that nobody replaced: your_app_identifier, <user_id>."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _left_over(value, (*at, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _left_over(value, (*at, index))
    elif isinstance(tree, str) and (found := gaps(tree)):
        yield warning(
            at,
            f"“{found[0][0]}” stands for a value that is still missing.",
            "Write the value, or a parameter such as {{App ID}}.",
            TRACK_PAGE,
        )


_LINTERS: Mapping[str, Callable[[Mapping[str, Value], Path], Findings]] = {
    "attributes": lint_attributes,
    "events": lint_event,
    "purchases": lint_purchase,
}
