"""How a sandbox is started: its options, for the module and for manage.py."""

from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from externalapi.braze import contract
from externalapi.braze.endpoints import LIMITS, TRACK_LIMIT
from externalapi.sandbox.limits import Plan

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
        "--journal", type=Path, help="keep the data in this file over a restart"
    )
    parser.add_argument(
        "--object-limit",
        choices=list(contract.OBJECT_LIMITS),
        default=contract.DEFAULT_OBJECT_LIMIT,
    )
    _add_rate_arguments(parser)
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


def options_from(values: Mapping[str, object]) -> Options:
    """The options of parsed arguments; BadOptionError says what is wrong."""
    hourly = values["hourly"]
    return Options(
        host=str(values["host"]),
        port=_number(values["port"]),
        keys=parse_keys(values["key"]),
        journal=_path(values["journal"]),
        object_limit=str(values["object_limit"]),
        plan=Plan(
            burst=_number(values["burst"]),
            hourly=None if hourly is None else _number(hourly),
            reset_in_seconds=values["reset_as"] == "seconds",
        ),
        limits=parse_limits(values["limit"]),
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


def _listed(given: object) -> list[object]:
    return given if isinstance(given, list) else []


def _number(value: object) -> int:
    return int(str(value))


def _path(value: object) -> Path | None:
    return None if value is None else Path(str(value))
