"""Where Braze lives: the dashboard and the REST address of every instance.

From Braze's page "API overview" (api/basics, "Endpoints"). The addresses follow no
rule (US-10 is not `rest.iad-10`), so they are a table and never built from the name.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One Braze instance; `documented` is false where only partners name it."""

    name: str
    dashboard_url: str
    rest_url: str
    documented: bool = True


def _instance(name: str, dashboard: str, rest: str) -> Instance:
    return Instance(
        name=name, dashboard_url=f"https://{dashboard}", rest_url=f"https://{rest}"
    )


_SANDBOX_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

INSTANCES: tuple[Instance, ...] = (
    _instance("US-01", "dashboard-01.braze.com", "rest.iad-01.braze.com"),
    _instance("US-02", "dashboard-02.braze.com", "rest.iad-02.braze.com"),
    _instance("US-03", "dashboard-03.braze.com", "rest.iad-03.braze.com"),
    _instance("US-04", "dashboard-04.braze.com", "rest.iad-04.braze.com"),
    _instance("US-05", "dashboard-05.braze.com", "rest.iad-05.braze.com"),
    _instance("US-06", "dashboard-06.braze.com", "rest.iad-06.braze.com"),
    _instance("US-07", "dashboard-07.braze.com", "rest.iad-07.braze.com"),
    _instance("US-08", "dashboard-08.braze.com", "rest.iad-08.braze.com"),
    # Not on Braze's page; Segment's Braze destination offers it.
    Instance(
        name="US-09",
        dashboard_url="https://dashboard-09.braze.com",
        rest_url="https://rest.us-09.braze.com",
        documented=False,
    ),
    _instance("US-10", "dashboard.us-10.braze.com", "rest.us-10.braze.com"),
    _instance("EU-01", "dashboard-01.braze.eu", "rest.fra-01.braze.eu"),
    _instance("EU-02", "dashboard-02.braze.eu", "rest.fra-02.braze.eu"),
    _instance("AU-01", "dashboard.au-01.braze.com", "rest.au-01.braze.com"),
    _instance("ID-01", "dashboard.id-01.braze.com", "rest.id-01.braze.com"),
    _instance("JP-01", "dashboard.jp-01.braze.com", "rest.jp-01.braze.com"),
    _instance("KR-01", "dashboard.kr-01.braze.com", "rest.kr-01.braze.com"),
)


def instance_by_name(name: str) -> Instance | None:
    """The instance of that name, or None: the base URL field takes any address."""
    return next((one for one in INSTANCES if one.name == name), None)


def is_braze(base_url: str) -> bool:
    """Whether Braze answers there, or its sandbox on this machine."""
    host = urlsplit(base_url).hostname or ""
    return host.endswith((".braze.com", ".braze.eu")) or host in _SANDBOX_HOSTS
