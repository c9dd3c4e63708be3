"""Saving what shapes a request: a change is a new version, the old ones stay."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import orjson
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from externalapi.connections.access import check_use
from externalapi.definitions import renames
from externalapi.models import (
    Connection,
    ExternalAPI,
    ExternalAPIVersion,
    TestCase,
)
from externalapi.template.batching import MAX_BYTES
from externalapi.template.parameters import Parameter
from lemnisk_braze.lib.json_types import JSON
from lemnisk_braze.lib.names import free_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What shapes a request, before it is a version: its fields are a version's."""

    connection: Connection
    method: str
    path: str
    query: Sequence[Sequence[str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body_kind: str = ExternalAPIVersion.BodyKind.JSON
    payload_level: str = ExternalAPIVersion.PayloadLevel.GLOBAL
    body: str = ""
    parameters: tuple[Parameter, ...] = ()
    batch_arrays: Sequence[str] = ()
    batch_each: int | None = None
    batch_combined: int | None = None
    batch_bytes: int = MAX_BYTES
    answer_rules: Mapping[str, JSON] = field(default_factory=dict)

    @classmethod
    def of(cls, version: ExternalAPIVersion) -> "Draft":
        """A version's content, to make another version of."""
        content = {name: getattr(version, name) for name in CONTENT}
        parameters = tuple(Parameter.from_dict(item) for item in version.parameters)
        return cls(**{**content, "parameters": parameters})

    def stored(self) -> dict[str, Any]:
        """Field of a version → value, as its row keeps it."""
        return {name: _plain(getattr(self, name)) for name in CONTENT}

    def content_hash(self) -> str:
        """Return the hash of all that shapes a request; the key is not part of it."""
        content = {**self.stored(), "connection": self.connection.pk}
        # The database keeps an object's keys in an order of its own.
        dumped = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(dumped).hexdigest()


# The names of the fields that make a version what it is.
CONTENT = tuple(one.name for one in fields(Draft))


def _plain(value: Any) -> Any:
    if isinstance(value, Parameter):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


@transaction.atomic
def save_version(
    external_api: ExternalAPI,
    draft: Draft,
    user: AbstractBaseUser | None,
    note: str = "",
) -> ExternalAPIVersion:
    """Return the version that says what the draft says; a new one where it differs.

    `note` is what the author says about it, and no part of the content. Raises
    LimitedConnectionError where the user may not use its connection, or the one before.
    The row of the External API is locked, so that two people who save at once make
    two versions.
    """
    locked = ExternalAPI.objects.select_for_update(of=("self",)).get(pk=external_api.pk)
    current = locked.current_version
    if user:
        _check_use(draft, current, user)
    content_hash = draft.content_hash()
    if current is not None and Draft.of(current).content_hash() == content_hash:
        return current
    newest = locked.versions.order_by("-number").values_list("number", flat=True)
    version = ExternalAPIVersion.objects.create(
        external_api=locked,
        number=(newest.first() or 0) + 1,
        content_hash=content_hash,
        created_by_id=user.pk if user else None,
        note=note,
        **draft.stored(),
    )
    if current is not None:
        _rename_in_cases(current, version)
    ExternalAPI.objects.filter(pk=locked.pk).update(current_version=version)
    external_api.current_version = version
    return version


def _check_use(
    draft: Draft, current: ExternalAPIVersion | None, user: AbstractBaseUser
) -> None:
    """Neither onto a connection of others, nor away from it."""
    check_use(draft.connection, user)
    if current is not None:
        check_use(current.connection, user)


def _rename_in_cases(old: ExternalAPIVersion, new: ExternalAPIVersion) -> None:
    """Test cases have their values by the new names too; by the old for old versions."""
    pairs = renames.renames(old, new)
    for case in old.external_api.test_cases.all() if pairs else ():
        values = renames.with_new_names(case.values, pairs)
        TestCase.objects.filter(pk=case.pk).update(values=values)


@transaction.atomic
def duplicate(external_api: ExternalAPI, user: AbstractBaseUser | None) -> ExternalAPI:
    """Make another External API like it as it is now, by a free name."""
    # Locked, so that two clicks at once make two names.
    original = ExternalAPI.objects.select_for_update(of=("self",)).get(
        pk=external_api.pk
    )
    assert original.current_version is not None
    copy = ExternalAPI.objects.create(
        name=free_name(f"Copy of {original.name}", ExternalAPI),
        **basic_details(original),
    )
    save_version(copy, Draft.of(original.current_version), user)
    TestCase.objects.bulk_create(
        TestCase(
            external_api=copy,
            changed_by_id=user.pk if user else None,
            **case_content(case),
        )
        for case in original.test_cases.order_by("pk")
    )
    return copy


def basic_details(external_api: ExternalAPI) -> dict[str, Any]:
    """Return what a person says of an External API itself, but for its name."""
    return {
        field.name: getattr(external_api, field.name)
        for field in ExternalAPI._meta.concrete_fields
        if (field.editable or field.name == "must_pass_cases")
        and not field.auto_created
        and field.name != "name"
    }


def case_content(case: TestCase) -> dict[str, Any]:
    """Return what a person says of a test case."""
    return {
        field.name: getattr(case, field.name)
        for field in TestCase._meta.concrete_fields
        if field.editable and not field.auto_created and not field.is_relation
    }
