"""A payload as a version of its External API, frozen like every other.

Each value with variables becomes a parameter of that version, called by its place, as
`attributes[0].first_name`, and its text the parameter's value. So runs pin a payload,
retries render the same, and people are filled in by columns, with no code of its own.
A value that a person lacks is left out with its key; without what Braze needs for an
object, the person is skipped.
"""

import copy
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import Any

import orjson
from django.db import transaction
from django.db.models import Exists, OuterRef

from engagements.models import Engagement, Run
from engagements.payload.reading import TOO_LARGE, Leaf, Reading, put, read
from externalapi.definitions.compiled import parameters_outside
from externalapi.definitions.versions import Draft
from externalapi.models import ExternalAPI, ExternalAPIVersion
from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.template.parser import MAX_BYTES, MAX_NAME, BodyError
from externalapi.template.spans import Path, path_text
from externalapi.vendors.braze.facts.contract import (
    PRIMARY_IDENTIFIERS,
    identifiers_of,
)
from lemnisk_braze.lib.json_types import JSON

# Of an object in these arrays, without which Braze refuses it, beside whose it is.
NEEDED: Mapping[str, frozenset[str]] = {
    "attributes": frozenset(),
    "events": frozenset({"name", "time"}),
    "purchases": frozenset({"product_id", "currency", "price", "time"}),
}
# Of a place as a name, and of what tells it apart from others that look like it.
LONGEST, DIGEST_BYTES = 200, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A payload on a version: the version that sends it, not saved, and its values."""

    version: ExternalAPIVersion
    values: Mapping[str, str]
    reading: Reading
    # The parameter of each of the reading's leaves.
    parameters: tuple[Parameter, ...]
    # The body with their places.
    tree: JSON


def is_written(version: ExternalAPIVersion | None) -> bool:
    """Whether engagements write the payload of this External API."""
    level = ExternalAPIVersion.PayloadLevel.ENGAGEMENT
    return version is not None and version.payload_level == level


def asked(version: ExternalAPIVersion) -> tuple[Parameter, ...]:
    """The parameters that an engagement gives values for besides its payload, if any."""
    kept: Iterable[Parameter] = version.read_parameters()
    if is_written(version):
        kept = parameters_outside(version.base)
    return tuple(one for one in kept if one.level == Level.ENGAGEMENT)


def write(base: ExternalAPIVersion, text: str, values: Mapping[str, str]) -> Written:
    """Put a payload in the place of a version's body; raises BodyError.

    `values` are those of the parameters in its address and headers. What a value says is
    not looked at: whoever compiles the version does.
    """
    reading = read(text)
    outside = parameters_outside(base)
    taken = {one.name for one in outside}
    names = [_name(leaf.path, taken) for leaf in reading.leaves]
    tree = _with_places(reading, names)
    if len(orjson.dumps(tree)) > MAX_BYTES:
        names = [_digest(leaf.path) for leaf in reading.leaves]
        tree = _with_places(reading, names)
    body = orjson.dumps(tree)
    if len(body) > MAX_BYTES:
        raise BodyError(TOO_LARGE)
    parameters = tuple(
        _parameter(leaf, name, reading.tree)
        for leaf, name in zip(reading.leaves, names, strict=True)
    )
    version = copy.copy(base)
    version.pk = None
    version.written_on = base
    version.payload = text
    version.note, version.created_by = "", None
    version.body = body.decode()
    version.parameters = [one.to_dict() for one in (*outside, *parameters)]
    version.content_hash = _hash(version)
    kept = {one.name for one in outside}
    sources = (leaf.source for leaf in reading.leaves)
    return Written(
        version=version,
        values={
            **{name: text for name, text in values.items() if name in kept},
            **dict(zip(names, sources, strict=True)),
        },
        reading=reading,
        parameters=parameters,
        tree=tree,
    )


@transaction.atomic
def save(engagement: Engagement, written: Written) -> None:
    """Give an engagement the payload, as a row that is its version; save it yourself.

    The same payload is the same row. Rows that nothing names any more are deleted, under
    the lock of their External API, which whoever saves a payload has.
    """
    version = written.version
    locked = ExternalAPI.objects.select_for_update(of=("self",), no_key=True)
    api = locked.get(pk=version.external_api_id)
    _delete_unused(api, version.content_hash)
    row = api.versions.filter(
        written_on=version.written_on, content_hash=version.content_hash
    ).first()
    if row is None:
        version.save(force_insert=True)
        row = version
    engagement.version = row
    engagement.values = dict(written.values)


@transaction.atomic
def delete_unused(api_id: int) -> None:
    """Delete the payloads on an External API that nothing names any more.

    When an engagement was deleted: whoever saves one on the same API does so as well.
    """
    locked = ExternalAPI.objects.select_for_update(of=("self",), no_key=True)
    if api := locked.filter(pk=api_id).first():
        _delete_unused(api, kept="")


def _delete_unused(api: ExternalAPI, kept: str) -> None:
    used = (model.objects.filter(version=OuterRef("pk")) for model in (Engagement, Run))
    payloads = api.versions.exclude(written_on=None).exclude(content_hash=kept)
    for its in used:
        payloads = payloads.exclude(Exists(its))
    payloads.delete()


def _parameter(leaf: Leaf, name: str, tree: JSON) -> Parameter:
    place = path_text(leaf.path)
    return Parameter(
        name=name,
        label="" if name == place else place[:MAX_NAME],
        type=ParameterType.ANY if leaf.is_whole else ParameterType.TEXT,
        required=_is_needed(leaf.path, tree),
    )


def _is_needed(path: Path, tree: Any) -> bool:
    """Whether Braze refuses an object without this, or without a part of it."""
    match path:
        case (str(array), int(at), str(key), *_) if array in NEEDED:
            # Of an email and a phone one is enough.
            is_only = identifiers_of(tree[array][at]) == (key,)
            return is_only or key in PRIMARY_IDENTIFIERS or key in NEEDED[array]
    return False


def _with_places(reading: Reading, names: Sequence[str]) -> JSON:
    """The tree with a placeholder by its name where each value with variables stands."""
    tree = copy.deepcopy(reading.tree)
    for leaf, name in zip(reading.leaves, names, strict=True):
        tree = put(tree, leaf.path, f"{{{{{name}}}}}")
    return tree


def _name(path: Path, taken: Collection[str]) -> str:
    """What the parameter of a value is called: by its place, and by nothing else.

    Variants keep other values by it, whatever is written before or behind.
    """
    text = path_text(path)
    letters = (c if c.isprintable() and c not in "{}|" else "·" for c in text)
    plain = "".join(letters).strip()[:LONGEST].strip()
    keys = "".join(part for part in path if isinstance(part, str))
    is_clear = plain == text and not {".", "["}.intersection(keys)
    if is_clear and plain not in taken:
        return plain
    return f"{plain} {_digest(path)}"


def _digest(path: Path) -> str:
    """As a name of its own, where a place is no name, or too long for one."""
    digest = blake2b(orjson.dumps(path), digest_size=DIGEST_BYTES).digest()
    return urlsafe_b64encode(digest).decode()


def _hash(version: ExternalAPIVersion) -> str:
    """What was typed counts as well: the layout is the author's."""
    content = Draft.of(version).content_hash() + version.payload
    return sha256(content.encode()).hexdigest()
