"""What to paste where: libraries that exist, pointed at this site, and plain HTTP.

The browser libraries come from a public mirror of npm, in a version that is tested here
unchanged (tests/clients); a browser takes no other file under their integrity.
"""

from dataclasses import dataclass
from functools import partial

MIRROR = "https://cdn.jsdelivr.net/npm"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserLibrary:
    """A file of a package, and its integrity as browsers check it."""

    package: str
    version: str
    path: str
    integrity: str

    @property
    def url(self) -> str:
        return f"{MIRROR}/{self.package}@{self.version}/{self.path}"

    @property
    def tag(self) -> str:
        return (
            f'<script src="{self.url}"\n'
            f'  integrity="{self.integrity}"\n'
            '  crossorigin="anonymous"></script>'
        )


SEGMENT = BrowserLibrary(
    package="@segment/analytics-next",
    version="1.84.3",
    path="dist/umd/index.js",
    integrity="sha384-euO2bwalDA43FJLo7j3jBo8WXZWBHHbQlEbYqbg/OxqMCmIzxnkwSPfdjKwyHDoU",
)
RUDDERSTACK = BrowserLibrary(
    package="@rudderstack/analytics-js",
    version="3.34.1",
    path="dist/npm/modern/bundled/umd/index.js",
    integrity="sha384-evXMY1Fs7iwQM6w7l+9ZCHgrhK9tM9UDxyZisLjFOJdX4B+abHIhjPZdn4u/0rMq",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """`place` says where it is pasted; `name` is an id on the page."""

    name: str
    title: str
    place: str
    code: str
    is_for_browsers: bool = False


def all_of(host: str, write_key: str) -> list[Snippet]:
    """Each of them, complete, with this site's address and a key or its placeholder."""
    filled = partial(_fill, HOST=host, KEY=write_key)
    into_pages = "Into the HTML of your pages, before </head>."
    return [
        Snippet(
            name="browser",
            title="Browser: Segment’s library",
            place=into_pages,
            code=filled(BROWSER_SEGMENT, TAG=SEGMENT.tag),
            is_for_browsers=True,
        ),
        Snippet(
            name="browser-rudderstack",
            title="Browser: RudderStack’s library",
            place=into_pages,
            code=filled(BROWSER_RUDDERSTACK, TAG=RUDDERSTACK.tag),
            is_for_browsers=True,
        ),
        Snippet(
            name="python",
            title="Python",
            place="pip install segment-analytics-python",
            code=filled(PYTHON),
        ),
        Snippet(
            name="node",
            title="Node.js",
            place="npm install @segment/analytics-node",
            code=filled(NODE),
        ),
        Snippet(name="curl", title="curl", place="In a shell.", code=filled(CURL)),
    ]


def with_passkey(host: str, key: str, passkey: str) -> list[Snippet]:
    """What to paste where Lemnisk's REST calls are made, which send both."""
    code = _fill(REST, HOST=host, KEY=key, PASSKEY=passkey)
    return [Snippet(name="rest", title="curl", place="In a shell.", code=code)]


def _fill(code: str, **values: str) -> str:
    for name, text in values.items():
        code = code.replace(f"<<{name}>>", text)
    return code


BROWSER_SEGMENT = """\
<<TAG>>
<script>
  const analytics = AnalyticsNext.AnalyticsBrowser.load({
    writeKey: "<<KEY>>",
    cdnURL: "<<HOST>>",
  });
  analytics.page();
  analytics.identify("user-1", {email: "ann@example.com", first_name: "Ann"});
  analytics.track("Lead form submitted", {product_id: "gold-card"});
</script>"""
BROWSER_RUDDERSTACK = """\
<<TAG>>
<script>
  const analytics = new rudderanalytics.RudderAnalytics();
  analytics.load("<<KEY>>", "<<HOST>>", {configUrl: "<<HOST>>"});
  analytics.page();
  analytics.identify("user-1", {email: "ann@example.com", first_name: "Ann"});
  analytics.track("Lead form submitted", {product_id: "gold-card"});
</script>"""
PYTHON = """\
import segment.analytics

client = segment.analytics.Client("<<KEY>>", host="<<HOST>>")
client.identify("user-1", {"email": "ann@example.com", "first_name": "Ann"})
client.track("user-1", "Lead form submitted", {"product_id": "gold-card"})
client.flush()"""
NODE = """\
const {Analytics} = require("@segment/analytics-node");

const analytics = new Analytics({writeKey: "<<KEY>>", host: "<<HOST>>"});
analytics.identify({userId: "user-1", traits: {email: "ann@example.com", first_name: "Ann"}});
analytics.track({
  userId: "user-1",
  event: "Lead form submitted",
  properties: {product_id: "gold-card"},
});
analytics.closeAndFlush();"""
CURL = """\
curl <<HOST>>/v1/track -u "<<KEY>>:" -H "Content-Type: application/json" \\
  -d '{"userId": "user-1", "event": "Lead form submitted", "properties": {"product_id": "gold-card"}}'"""
REST = """\
curl <<HOST>>/v3/data -H "x-api-key: <<KEY>>" -H "x-api-passkey: <<PASSKEY>>" \\
  -H "Content-Type: application/json" \\
  -d '{"type": "track", "userid": "user-1", "eventname": "Lead form submitted", "properties": {"product_id": "gold-card"}}'"""
