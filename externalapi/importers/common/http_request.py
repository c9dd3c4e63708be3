"""From a request as it was pasted to a definition: its address cut, its secret apart."""

import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from externalapi.http.auth import Auth
from externalapi.importers.common.types import Imported, PasteError, short
from externalapi.template.placeholders import find

METHODS = ("POST", "GET", "PUT", "PATCH", "DELETE")

# The client sets these itself, or they belong to a browser.
_CLIENTS_OWN = re.compile(
    r"(?i)host|content-length|transfer-encoding|connection|accept-encoding|te|trailer"
    r"|upgrade|expect|keep-alive|proxy-.*|x-forwarded-.*|forwarded|:.*"
)
_BROWSERS_OWN = re.compile(
    r"(?i)sec-.*|dnt|priority|upgrade-insecure-requests|cache-control|pragma|origin"
    r"|accept-language|postman-token|if-.*"
)
_SECRET_HEADER = re.compile(
    r"(?i)(x-)?(api|app|access|auth|private|secret|subscription|account)?[-_]?"
    r"(api[-_]?key|apikey|key|token|secret|passkey|auth)|authorization"
    r"|.*[-_](api[-_]?key|access[-_]?token|auth[-_]?token|secret|subscription-key)"
)
_SECRET_FIELD = re.compile(
    r"(?i)api[-_]?key|apikey|access[-_]?token|auth[-_]?token|token|api[-_]?secret"
)
# A word that stands for a secret: YOUR_REST_API_KEY, <key>, $KEY, {{key}}, xxxx.
_GAP = re.compile(
    r"(?i)<.*>|\$\{?\w+\}?|%\w+%|\{\{?[^{}]*\}?\}|\[.*\]|(your|my|the)[-_ ].*"
    r"|.*[-_ ]here|[x*.•…]+|(rest[-_ ])?api[-_ ]?key|token|secret|password|hidden"
)
_PHONE = re.compile(r"\+\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """How a request signed in; the secret is kept out of every text."""

    auth: Auth = Auth.NONE
    name: str = ""
    username: str = ""
    secret: str = field(default="", repr=False)
    # As it stands in what was pasted, where that is another text.
    written: str = field(default="", repr=False)


@dataclass(slots=True, kw_only=True)
class PastedRequest:
    """A request before its parts are looked at; notes are added as it is."""

    method: str
    url: str
    query: Sequence[str] = ()
    headers: Sequence[tuple[str, str]] = ()
    credential: Credential = field(default_factory=Credential)
    notes: list[str] = field(default_factory=list)


def definition_of(request: PastedRequest) -> Imported:
    """Return the definition without a body; raises PasteError."""
    if request.method not in METHODS:
        raise PasteError(f"{short(request.method)} is not one of {', '.join(METHODS)}.")
    base_url, path, query, user = _cut(request)
    credentials = [one for one in (request.credential, user) if one.auth != Auth.NONE]
    headers = _headers(request, credentials)
    fields = _query(query, credentials)
    first = credentials[0] if credentials else Credential()
    if len({(one.auth, one.name) for one in credentials}) > 1:
        request.notes.append(
            "It signs in more than once; a connection does it one way. "
            "The others are left out."
        )
    return Imported(
        method=request.method,
        base_url=base_url,
        path=path,
        query=tuple(fields),
        headers=headers,
        auth=first.auth,
        auth_name=first.name,
        username="" if is_gap(first.username) else first.username,
        secret="" if is_gap(first.secret) else first.secret,
        secrets=tuple(one.written or one.secret for one in credentials if one.secret),
        notes=tuple(dict.fromkeys(request.notes)),
    )


def is_gap(text: str) -> bool:
    """Whether a text stands where a secret has yet to be put in."""
    return not text.strip() or bool(_GAP.fullmatch(text.strip()))


def is_secret_header(name: str) -> bool:
    """Whether a header is named like a secret."""
    return bool(_SECRET_HEADER.fullmatch(name))


def is_secret_field(name: str) -> bool:
    """Whether a query field or a key of the body is named like a secret."""
    return bool(_SECRET_FIELD.fullmatch(name))


def _cut(request: PastedRequest) -> tuple[str, str, list[str], Credential]:
    """Return base URL, path, the pieces of the query, and who signs in by the URL."""
    url = request.url.strip()
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
        url = f"https://{url}"
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in ("http", "https"):
        raise PasteError(f"“{short(url)}” is not an address that begins with https://.")
    host, slash, path = re.match(r"([^/?#]*)(/?)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    path, _, query = f"{slash}{path}".partition("#")[0].partition("?")
    user, _, host = host.rpartition("@")
    if not host or find(host) or "{" in host or "<" in host or "$" in host:
        said = f"The address “{short(host)}” is a gap" if host else "It has no address"
        request.notes.append(f"{said}: choose the connection it means.")
        host = ""
    base_url = f"{scheme.lower()}://{_ascii_host(host, url)}" if host else ""
    if base_url:
        _check_host(base_url, url)
    name, _, password = user.partition(":")
    signs_in = Credential(
        auth=Auth.BASIC if user else Auth.NONE,
        username=unquote(name),
        secret=unquote(password),
        written=password,
    )
    return base_url, path or "/", [query, *request.query], signs_in


def _ascii_host(host: str, url: str) -> str:
    """An international name is written as it is looked up (xn--…)."""
    if host.isascii():
        return host.lower()
    name, colon, port = host.partition(":")
    try:
        return name.lower().encode("idna").decode() + colon + port
    except UnicodeError as e:
        raise PasteError(f"“{short(url)}” is not an address.") from e


def _check_host(base_url: str, url: str) -> None:
    try:
        parts = urlsplit(base_url)
        _ = parts.port
    except ValueError as e:
        raise PasteError(f"“{short(url)}” is not an address: {e}.") from e
    if not parts.hostname or not re.fullmatch(r"[\w.\-\[\]:]+", parts.netloc):
        raise PasteError(f"“{short(url)}” is not an address.")


def _query(
    pieces: Sequence[str], credentials: list[Credential]
) -> list[tuple[str, str]]:
    """Return the fields in order, decoded; one that is a secret goes apart."""
    fields = []
    for field_text in "&".join(filter(None, pieces)).split("&"):
        name, _, text = field_text.partition("=")
        name, value = _decoded(name), _decoded(text)
        if not name:
            continue
        if is_secret_field(name):
            credentials.append(
                Credential(auth=Auth.QUERY, name=name, secret=value, written=text)
            )
        else:
            fields.append((name, value))
    return fields


def _decoded(text: str) -> str:
    """A plus is a space, but for a phone number that somebody forgot to encode."""
    return unquote(text if _PHONE.fullmatch(text) else text.replace("+", " "))


def _headers(request: PastedRequest, credentials: list[Credential]) -> dict[str, str]:
    headers: dict[str, str] = {}
    browsers: list[str] = []
    for name, value in request.headers:
        if name.lower() == "cookie":
            request.notes.append(
                "The cookies are left out: they are one person's session and end with "
                "it. Ask the vendor for an API key."
            )
        elif _CLIENTS_OWN.fullmatch(name):
            request.notes.append(f"The header {name} is set by the client itself.")
        elif _BROWSERS_OWN.fullmatch(name):
            browsers.append(name)
        elif is_secret_header(name):
            credentials.append(_credential_of(name, value))
        elif name.lower() in map(str.lower, headers):
            request.notes.append(f"The header {name} came twice; the first one stays.")
        else:
            headers[name] = value
    if browsers:
        request.notes.append(
            f"A browser's own headers are left out: {', '.join(browsers)}."
        )
    return headers


def _credential_of(name: str, value: str) -> Credential:
    scheme, _, rest = value.partition(" ")
    if name.lower() != "authorization":
        return Credential(auth=Auth.HEADER, name=name, secret=value)
    if scheme.lower() == "bearer":
        return Credential(auth=Auth.BEARER, secret=rest.strip())
    if scheme.lower() == "basic":
        return _basic(rest.strip())
    return Credential(auth=Auth.HEADER, name=name, secret=value)


def _basic(encoded: str) -> Credential:
    try:
        text = b64decode(encoded, validate=True).decode()
    except ValueError:
        return Credential(auth=Auth.BASIC)
    username, _, password = text.partition(":")
    return Credential(
        auth=Auth.BASIC, username=username, secret=password, written=encoded
    )
