"""How a sandbox is started: its options, for the module and for manage.py."""

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.facts.catalogs import FIELD_TYPES, NAME
from externalapi.vendors.braze.facts.endpoints import LIMITS, TRACK_LIMIT
from externalapi.vendors.braze.facts.refusals import CANVAS_NOTICES
from externalapi.vendors.braze.sandbox.rules.catalogs import Catalog
from externalapi.vendors.braze.sandbox.rules.registry import (
    ACTIVE,
    Campaign,
    Canvas,
    Group,
    Known,
)
from externalapi.vendors.braze.sandbox.runtime.rate_limits import Plan

DEFAULT_KEY = "sandbox-key"
DEFAULT_PORT = 8090
_LIMIT_NAMES = tuple(one.name for one in LIMITS if one is not TRACK_LIMIT)


class BadOptionError(ValueError):
    """The sandbox cannot be started like this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    keys: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: {DEFAULT_KEY: contract.PERMISSIONS}
    )
    journal: Path | None = None
    object_limit: str = contract.DEFAULT_OBJECT_LIMIT
    plan: Plan = Plan()
    limits: Mapping[str, int] = field(default_factory=dict)  # other than Braze's
    known: Known = field(default_factory=Known)
    delay: float = 0.0  # seconds before every answer of the API
    keep_requests: int = 20_000
    ready_file: Path | None = None
    stop_on_eof: bool = False


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="default: loopback only")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="0 takes any free port"
    )
    parser.add_argument(
        "--key",
        action="append",
        metavar="KEY[:permission,…]",
        help=f"a REST API key, repeatable; all permissions unless named; "
        f"default: {DEFAULT_KEY}",
    )
    parser.add_argument(
        "--key-file",
        type=Path,
        help="the same, a key on each line: a command line is seen by everybody on "
        "the machine",
    )
    parser.add_argument(
        "--journal", type=Path, help="keep the data in this file over a restart"
    )
    parser.add_argument(
        "--object-limit",
        choices=list(contract.OBJECT_LIMITS),
        default=contract.DEFAULT_OBJECT_LIMIT,
    )
    _add_rate_arguments(parser)
    _add_known_arguments(parser)
    parser.add_argument(
        "--keep-requests", type=int, default=20_000, help="records kept for inspection"
    )
    parser.add_argument(
        "--ready-file", type=Path, help="write the address here when it is listening"
    )
    parser.add_argument(
        "--stop-on-eof", action="store_true", help="stop when standard input ends"
    )


def _add_rate_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--burst",
        type=int,
        default=contract.BURST_REQUESTS,
        help="requests to /users/track in any three seconds",
    )
    parser.add_argument(
        "--hourly", type=int, help="requests to /users/track in a clock hour"
    )
    parser.add_argument(
        "--limit",
        action="append",
        metavar="NAME=REQUESTS",
        help="another rate limit than Braze's, repeatable; names: "
        + ", ".join(_LIMIT_NAMES),
    )
    parser.add_argument(
        "--reset-as",
        choices=["epoch", "seconds"],
        default="epoch",
        help="how X-RateLimit-Reset is written: general plans or newer ones",
    )
    parser.add_argument(
        "--delay-ms", type=int, default=0, help="wait before every answer"
    )


def _add_known_arguments(parser: ArgumentParser) -> None:
    for name, form in (
        ("--subscription-group", "ID[:NAME[:email|sms]]"),
        ("--campaign", "ID[:NAME]"),
        ("--canvas", "ID[:NAME[:active|paused|archived]]"),
    ):
        parser.add_argument(
            name,
            action="append",
            metavar=form,
            help="one that exists, repeatable; default: every UUID is known",
        )

    parser.add_argument(
        "--catalog",
        action="append",
        metavar="NAME:FIELD[=TYPE],…",
        help="a catalog that exists, repeatable; it has an id, and fields are strings "
        "unless they say " + ", ".join(FIELD_TYPES[1:]) + "; default: none",
    )


def options_from(values: Mapping[str, object]) -> Options:
    """The options of parsed arguments; BadOptionError says what is wrong."""
    hourly = values["hourly"]
    return Options(
        host=str(values["host"]),
        port=_number(values["port"]),
        keys=parse_keys([*_listed(values["key"]), *_lines(values["key_file"])]),
        journal=_path(values["journal"]),
        object_limit=str(values["object_limit"]),
        plan=Plan(
            burst=_number(values["burst"]),
            hourly=None if hourly is None else _number(hourly),
            reset_in_seconds=values["reset_as"] == "seconds",
        ),
        limits=parse_limits(values["limit"]),
        known=Known(
            groups=parse_groups(values["subscription_group"]),
            campaigns=parse_campaigns(values["campaign"]),
            canvases=parse_canvases(values["canvas"]),
            catalogs=parse_catalogs(values["catalog"]),
        ),
        delay=_number(values["delay_ms"]) / 1000,
        keep_requests=_number(values["keep_requests"]),
        ready_file=_path(values["ready_file"]),
        stop_on_eof=bool(values["stop_on_eof"]),
    )


def parse_keys(given: object) -> Mapping[str, frozenset[str]]:
    if not isinstance(given, list) or not given:
        return {DEFAULT_KEY: contract.PERMISSIONS}
    return dict(_parse_key(str(one)) for one in given)


def _parse_key(text: str) -> tuple[str, frozenset[str]]:
    key, colon, names = text.partition(":")
    if not colon:
        return key, contract.PERMISSIONS
    permissions = frozenset(filter(None, names.split(",")))
    unknown = permissions - contract.PERMISSIONS
    if unknown:
        raise BadOptionError(f"Unknown permission: {', '.join(sorted(unknown))}")
    return key, permissions


def parse_limits(given: object) -> Mapping[str, int]:
    return dict(_parse_limit(str(one)) for one in _listed(given))


def _parse_limit(text: str) -> tuple[str, int]:
    name, _, requests = text.partition("=")
    if name not in _LIMIT_NAMES or not requests.isdecimal():
        known = ", ".join(_LIMIT_NAMES)
        raise BadOptionError(f"Unknown limit {text!r}: NAME=REQUESTS with {known}")
    return name, int(requests)


def parse_groups(given: object) -> Mapping[str, Group]:
    found = {}
    for identifier, name, channel in _parts(given, 3):
        _check("channel", channel, ("", "email", "sms"))
        found[identifier] = Group(id=identifier, name=name, channel=channel)
    return found


def parse_campaigns(given: object) -> Mapping[str, Campaign]:
    return {one: Campaign(id=one, name=name) for one, name in _parts(given, 2)}


def parse_canvases(given: object) -> Mapping[str, Canvas]:
    found = {}
    for identifier, name, state in _parts(given, 3):
        _check("state", state, ("", ACTIVE, *CANVAS_NOTICES))
        found[identifier] = Canvas(id=identifier, name=name, state=state or ACTIVE)
    return found


def parse_catalogs(given: object) -> Mapping[str, Catalog]:
    return {name: _catalog(name, fields) for name, fields in _parts(given, 2)}


def _catalog(name: str, text: str) -> Catalog:
    fields = {"id": "string"}
    for one in filter(None, text.split(",")):
        field_name, _, kind = one.partition("=")
        _check("type", kind or "string", FIELD_TYPES)
        fields[field_name] = kind or "string"
    if not all(map(NAME.fullmatch, (name, *fields))):
        raise BadOptionError(f"Letters, numbers, - and _ only: {name}:{text}")
    return Catalog(name=name, fields=fields)


def _parts(given: object, count: int) -> Iterator[list[str]]:
    """The texts between the colons, the missing ones empty."""
    for one in _listed(given):
        parts = str(one).split(":", count - 1)
        yield parts + [""] * (count - len(parts))


def _check(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        names = ", ".join(filter(None, known))
        raise BadOptionError(f"Unknown {what} {value!r}; known: {names}")


def _listed(given: object) -> list[object]:
    return given if isinstance(given, list) else []


def _lines(path: object) -> list[str]:
    """The lines of a file, where there is one; BadOptionError where it is not read."""
    if path is None:
        return []
    try:
        return Path(str(path)).read_text().split()
    except (OSError, UnicodeDecodeError) as e:
        raise BadOptionError(f"The file of keys cannot be read: {e}") from e


def _number(value: object) -> int:
    return int(str(value))


def _path(value: object) -> Path | None:
    return None if value is None else Path(str(value))
