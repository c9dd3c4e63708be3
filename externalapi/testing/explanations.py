"""What an answer means for the one who tests, and where in the request to look."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
from django.conf import settings

from externalapi.answers import interpretation
from externalapi.http.client import Answer, Request
from externalapi.http.ssrf import GuardError, check_url
from externalapi.models import Connection, ExternalAPIVersion
from externalapi.template import bodies
from externalapi.template.parser import BodyError
from externalapi.template.placeholders import find
from externalapi.vendors.braze.facts.contract import PERMISSIONS
from externalapi.vendors.braze.facts.instances import INSTANCES
from lemnisk_braze.lib.json_types import JSON

MAX_FAULTS = 5
MAX_SHOWN = 200
_VERSION = re.compile(r"^/v[0-9]+(?=/)")
_QUOTED = re.compile(r"['‘’“”\"]([^'‘’“”\"]{1,100})['‘’“”\"]")

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that the other side objected to: its place, what stands there, why.

    `parameters` fill that place; without one it is a constant of the definition.
    """

    where: str
    value: str
    parameters: tuple[str, ...]
    message: str


def explain(
    version: ExternalAPIVersion, answer: Answer, verdict: interpretation.Verdict
) -> str:
    """Return in plain words what happened and what to do next.

    Of Braze we know more than HTTP's meanings: which permission a path needs, and what
    a wrong instance answers (api/errors; api/basics, "REST API key permissions").
    """
    if search_users_url(version.connection):
        words = ""
        if answer.status in (401, 403):
            words = _key_words(answer.rules.permission or permission_for(version.path))
        elif answer.status == 404:
            words = _address_words(version)
        if words and verdict.outcome is interpretation.Outcome.BLOCKED:
            return interpretation.said_first(answer, verdict, words)
    return interpretation.explain(answer, verdict)


def permission_for(path: str) -> str:
    """Return the permission that Braze wants for a path, empty where we do not know.

    Most are named like their path: /users/track is users.track.
    """
    path = _VERSION.sub("", path.partition("?")[0])
    dotted = path.strip("/").replace("/", ".")
    return dotted if dotted in PERMISSIONS else ""


def search_users_url(connection: Connection) -> str:
    """Return where a person can be looked up, empty for an API we do not know.

    At Braze that is the instance's dashboard, and its page of the same name in the
    sandbox.
    """
    base_url = connection.base_url.rstrip("/")
    for instance in INSTANCES:
        if instance.rest_url == base_url:
            return instance.dashboard_url
    try:
        target = check_url(base_url, settings.ALLOWED_LOCAL_ADDRESSES)
    except GuardError:
        return ""
    return f"{base_url}/search-users" if target.is_allowed_local else ""


def _key_words(permission: str) -> str:
    needed = f"“{permission}”" if permission else "that the endpoint needs"
    return (
        f"The key was not accepted. It lacks the permission {needed} in this workspace, "
        "or belongs to another workspace or instance, or was not copied whole. Look it "
        "up in Braze under Settings > API Keys; the permissions of a key cannot be "
        "changed, so make a new key where one is missing."
    )


def _address_words(version: ExternalAPIVersion) -> str:
    base_url = version.connection.base_url.rstrip("/")
    names = [one.name for one in INSTANCES if one.rest_url == base_url]
    instance = f"{names[0]} ({base_url})" if names else base_url
    return (
        f"There is nothing at “{version.path}” on {instance}. Check the path; where it "
        "is right, this is the wrong instance: compare the base URL of the connection "
        "with the address of your Braze dashboard."
    )


def faults(
    version: ExternalAPIVersion, request: Request, verdict: interpretation.Verdict
) -> list[Fault]:
    """Return what the answer's errors are about, the first five of them."""
    try:
        sent = orjson.loads(request.body or b"null")
        template = bodies.parse(version.body_kind, version.body)
    except (orjson.JSONDecodeError, BodyError):
        return []
    return [_fault(sent, template, error) for error in verdict.errors[:MAX_FAULTS]]


def _fault(sent: JSON, template: JSON, error: interpretation.ItemError) -> Fault:
    item: Path = (error.array, error.index)
    path = item + _named_in(error.message, _at(sent, item))
    value = _at(sent, path)
    return Fault(
        where=_written(path),
        value="" if value is None else orjson.dumps(value).decode()[:MAX_SHOWN],
        parameters=tuple(find(text))
        if isinstance(text := _at(template, path), str)
        else (),
        message=error.message,
    )


def _named_in(message: str, item: JSON) -> Path:
    """Return where in the object the message points to: Braze quotes names."""
    quoted = _QUOTED.findall(message)
    for path in _paths(item):
        if path[-1] in quoted:
            return path
    return (quoted[0],) if quoted and isinstance(item, dict) else ()


def _paths(tree: JSON, start: Path = ()) -> Iterator[Path]:
    """Return the places in a tree, those near its root first within each branch."""
    if isinstance(tree, dict):
        yield from ((*start, key) for key in tree)
        for key, item in tree.items():
            yield from _paths(item, (*start, key))
    elif isinstance(tree, list):
        for index, item in enumerate(tree):
            yield from _paths(item, (*start, index))


def _at(tree: JSON, path: Path) -> JSON:
    for part in path:
        if isinstance(tree, dict) and isinstance(part, str):
            tree = tree.get(part)
        elif isinstance(tree, list) and isinstance(part, int) and part < len(tree):
            tree = tree[part]
        else:
            return None
    return tree


def _written(path: Path) -> str:
    words = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)
    return words.removeprefix(".")
