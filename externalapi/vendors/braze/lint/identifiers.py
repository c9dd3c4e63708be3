"""Whose an object is: what Braze makes of identifiers.

post_user_track, "Identifier resolution"; user_alias_object.
"""

from collections.abc import Mapping

from externalapi.template.spans import Path
from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.lint.findings import (
    ALIAS_PAGE,
    ATTRIBUTES_PAGE,
    TRACK_PAGE,
    Finding,
    Findings,
    error,
    hint,
    warning,
)
from externalapi.vendors.braze.lint.template_values import (
    Unknown,
    Value,
    may_be_missing,
)


def lint_identifier(item: Mapping[str, Value], at: Path, array: str) -> Findings:
    """Yield what is to be said of whom an object of Track Users is about."""
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
        yield from lint_alias(value, path)
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
        yield constant(key, path)


def lint_alias(alias: Value, path: Path) -> Findings:
    """Yield what is to be said of a user alias (user_alias_object)."""
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
        yield constant("alias_name", (*path, "alias_name"))


def constant(key: str, path: Path, page: str = TRACK_PAGE) -> Finding:
    """Everybody's data would come to one person."""
    return warning(
        path,
        f"“{key}” is the same for everybody: all are written to one profile.",
        "Write a parameter that is the person's channel identifier.",
        page,
    )
