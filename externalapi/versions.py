"""Saving what shapes a request: a change is a new version, the old ones stay."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import orjson
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from externalapi.models import Connection, ExternalAPI, ExternalAPIVersion
from externalapi.parameters import Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What shapes a request, before it is a version."""

    connection: Connection
    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    parameters: tuple[Parameter, ...]
    batching: str

    def content_hash(self) -> str:
        """Return the hash of all that shapes a request; the key is not part of it."""
        content = [
            self.connection.pk,
            self.method,
            self.path,
            dict(self.headers),
            self.body,
            [asdict(parameter) for parameter in self.parameters],
            self.batching,
        ]
        return hashlib.sha256(orjson.dumps(content)).hexdigest()


@transaction.atomic
def save_version(
    external_api: ExternalAPI, draft: Draft, user: AbstractBaseUser | None
) -> ExternalAPIVersion:
    """Return the version that says what the draft says; a new one where it differs.

    The row of the External API is locked, so that two people who save at once make
    two versions.
    """
    locked = ExternalAPI.objects.select_for_update(of=("self",)).get(pk=external_api.pk)
    current = locked.current_version
    content_hash = draft.content_hash()
    if current is not None and current.content_hash == content_hash:
        return current
    newest = locked.versions.order_by("-number").values_list("number", flat=True)
    version = ExternalAPIVersion.objects.create(
        external_api=locked,
        number=(newest.first() or 0) + 1,
        connection=draft.connection,
        method=draft.method,
        path=draft.path,
        headers=dict(draft.headers),
        body=draft.body,
        parameters=[parameter.to_dict() for parameter in draft.parameters],
        batching=draft.batching,
        content_hash=content_hash,
        created_by_id=user.pk if user else None,
    )
    ExternalAPI.objects.filter(pk=locked.pk).update(current_version=version)
    external_api.current_version = version
    return version
