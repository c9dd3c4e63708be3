"""A pasted curl command, read as curl would read it, made into a definition.

The options are those of curl's manual page; what of them cannot be taken is said in
the notes, and what would change the meaning is refused.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from externalapi.http.auth import Auth
from externalapi.importers.common.body import with_body
from externalapi.importers.common.http_request import (
    Credential,
    PastedRequest,
    definition_of,
)
from externalapi.importers.common.types import Imported, PasteError, short
from externalapi.importers.curl import shell
from externalapi.importers.curl.options import FLAGS, options

MAX_CHARS = 200_000

# How a request is printed or kept apart is nobody's loss.
_HARMLESS = frozenset(
    """
    silent show-error verbose include fail fail-early fail-with-body buffer
    progress-bar progress-meter remote-name remote-name-all remote-header-name
    remote-time remove-on-error output output-dir out-null write-out dump-header
    cookie-jar compressed compressed-ssh location location-trusted follow http1.0
    http1.1 http2 http2-prior-knowledge http3 http3-only tlsv1 tlsv1.0 tlsv1.1 tlsv1.2
    tlsv1.3 ipv4 ipv6 basic path-as-is create-dirs create-file-mode stderr trace
    trace-ascii trace-time trace-ids trace-config disable keepalive keepalive-time
    junk-session-cookies styled-output show-headers clobber skip-existing xattr
    parallel parallel-immediate parallel-max parallel-max-host etag-save libcurl
    suppress-connect-headers tcp-nodelay tcp-fastopen max-redirs post301 post302
    post303 rate limit-rate alpn npn sessionid globoff use-ascii append raw
    disallow-username-in-url happy-eyeballs-timeout-ms expect100-timeout
    """.split()
)
_LEFT_OUT = {
    "insecure": "-k is left out: certificates are always checked.",
    "head": "-I asks for headers alone; the definition uses GET.",
    "cookie": "The cookies are left out: they are one person's session and end with "
    "it. Ask the vendor for an API key.",
    "max-time": "The time limit is left out: requests have one of their own.",
    "connect-timeout": "The time limit is left out: requests have one of their own.",
    **dict.fromkeys(
        ("retry", "retry-delay", "retry-max-time")
        + ("retry-all-errors", "retry-connrefused"),
        "The retries are left out: deliveries are retried by their own rules.",
    ),
    **{
        name: f"--{name} signs in in a way that no connection can: ask the vendor for "
        "an API key."
        for name in ("digest", "ntlm", "ntlm-wb", "negotiate", "anyauth")
    },
}
# What would send something else than what is read here, and why.
_REFUSED = {
    "upload-file": "-T sends a file, which an External API cannot do.",
    "config": "-K reads options from a file, which is not here.",
    "cert": "-E signs in with a certificate file, which an External API cannot do.",
    "key": "--key signs in with a key file, which an External API cannot do.",
    "netrc": "-n signs in with a file of this computer, which is not here.",
    "netrc-file": "--netrc-file signs in with a file, which is not here.",
    "aws-sigv4": "--aws-sigv4 signs each request for AWS, which an External API "
    "cannot do.",
    "etag-compare": "--etag-compare reads a header from a file, which is not here.",
    "request-target": "--request-target sends to another path than the address has. "
    "Write that path into the address.",
    "variable": "--variable is filled in by curl. Write its value where it belongs.",
    "next": "There are several commands. Paste one at a time.",
    **{
        name: f"--{name} sends nothing. Take it out."
        for name in ("help", "version", "manual")
    },
}
_OTHER_COMMANDS = {
    "wget": "This is a wget command.",
    "http": "This is an HTTPie command.",
    "https": "This is an HTTPie command.",
    "fetch(": "This is JavaScript.",
    "invoke-webrequest": "This is PowerShell's own command.",
    "invoke-restmethod": "This is PowerShell's own command.",
}


# curl takes {a,b} and [1-9] as several addresses.
_GLOB = re.compile(
    r"(?<![\\{])\{[^{}]*,[^{}]*\}|(?<!\\)\[(\d+-\d+|[a-z]-[a-z]|[A-Z]-[A-Z])(:\d+)?\]"
)
_FORM_QUOTED = re.compile(r'\s*"((?:[^"\\]|\\.)*)"', re.DOTALL)


@dataclass(slots=True, kw_only=True)
class _Command:
    """What the options of one command said, in the order they came."""

    urls: list[str] = field(default_factory=list)
    method: str = ""
    headers: list[str] = field(default_factory=list)
    data: str = ""
    has_data: bool = False
    form: list[tuple[str, str]] = field(default_factory=list)
    query: list[str] = field(default_factory=list)
    scheme: str = ""
    flags: set[str] = field(default_factory=set)
    agent: str = ""
    referer: str = ""
    user: str | None = None
    bearer: str | None = None
    notes: list[str] = field(default_factory=list)


def read_curl(text: str) -> Imported:
    """Return what a pasted curl command means; PasteError says what cannot be taken.

    Values stay as they are written, `<gaps>` and `$VARIABLES` too.
    """
    if len(text) > MAX_CHARS:
        raise PasteError(f"This is longer than {MAX_CHARS:,} characters.")
    try:
        # A browser sends every line's end as two characters, whatever was pasted.
        words, rest = shell.split(text.replace("\r\n", "\n"))
    except shell.UnclosedQuoteError as e:
        raise PasteError(f"{e}. Copy the whole command, to its last quote.") from e
    except shell.HalfCharacterError as e:
        raise PasteError(f"{e}. Copy the command again.") from e
    _check_is_curl(words)
    command = _Command()
    if rest:
        command.notes.append(f"What follows the command is left out: {short(rest)}")
    for name, value in options(words[1:]):
        _take(command, name, value)
    return _definition(command)


def _check_is_curl(words: list[str]) -> None:
    if not words:
        raise PasteError("Paste a command that begins with curl.")
    first = words[0].lower()
    for begin, what in _OTHER_COMMANDS.items():
        if first == begin or (begin.endswith("(") and first.startswith(begin)):
            raise PasteError(f"{what} Copy it as cURL and paste that.")
    if not re.fullmatch(r"(.*[/\\])?curl(\.exe)?", first):
        raise PasteError(
            f"This begins with “{short(words[0])}”. Paste a command that begins "
            "with curl."
        )
    if any("\0" in word for word in words):
        raise PasteError("It contains a NUL character, which cannot be sent.")


def _take(command: _Command, name: str, value: str) -> None:
    """Put one option where it belongs."""
    if name.startswith("data") or name == "json":
        _take_data(command, name, value)
    elif name in ("form", "form-string"):
        command.form.append(_form_field(name, value))
    elif name in _REFUSED or name.startswith("expand-"):
        raise PasteError(_REFUSED.get(name, _REFUSED["variable"]))
    elif name.removeprefix("no-") in FLAGS:
        _take_flag(command, name)
    elif name in _LEFT_OUT:
        command.notes.append(_LEFT_OUT[name])
    elif not _take_simple(command, name, value) and name not in _HARMLESS:
        command.notes.append(f"--{name} is left out.")


def _take_flag(command: _Command, name: str) -> None:
    """The last word counts: --no-get takes --get back."""
    if name.startswith("no-"):
        command.flags.discard(name.removeprefix("no-"))
        return
    command.flags.add(name)
    if name in _LEFT_OUT and name != "head":
        command.notes.append(_LEFT_OUT[name])
    elif name not in _HARMLESS and name not in ("get", "head"):
        command.notes.append(f"--{name} is left out.")


def _take_simple(command: _Command, name: str, value: str) -> bool:
    match name:
        case "url":
            command.urls.append(value)
        case "request":
            command.method = value.upper()
        case "header":
            command.headers.append(value)
        case "user-agent":
            command.agent = value
        case "referer":
            command.referer = value.removesuffix(";auto")
        case "user":
            command.user = value
        case "oauth2-bearer":
            command.bearer = value
        case "url-query":
            is_written = value.startswith("+")
            command.query.append(value[1:] if is_written else _urlencoded(value))
        case "proto-default":
            command.scheme = value
        case _:
            return False
    return True


def _take_data(command: _Command, name: str, value: str) -> None:
    if name == "data-urlencode":
        value = _urlencoded(value)
    elif value.startswith("@") and name != "data-raw":
        raise PasteError(
            f"--{name} {short(value)} sends a file of your computer. "
            "Replace it with the file's text."
        )
    # Pieces of --json are put together as they are.
    mark = "&" if command.data and name != "json" else ""
    command.data += mark + value
    command.has_data = True
    if name == "json":
        command.flags.add("json")


def _urlencoded(value: str) -> str:
    """`name=text`, `=text` or `text`, of which curl encodes the text."""
    name, equals, text = value.partition("=")
    if not equals:
        if "@" in value:
            raise PasteError(
                f"--data-urlencode {short(value)} sends a file of your computer. "
                "Replace it with the file's text."
            )
        return quote_plus(value)
    return f"{name}={quote_plus(text)}" if name else quote_plus(text)


def _form_field(option: str, value: str) -> tuple[str, str]:
    name, equals, text = value.partition("=")
    if not equals:
        raise PasteError(f"-F {short(value)} is not name=value.")
    if option == "form-string":
        return name, text
    if text[:1] in ("@", "<"):
        raise PasteError(
            f"-F {short(value)} uploads a file, which an External API cannot do."
        )
    return name, _form_text(text)


def _form_text(text: str) -> str:
    """A text in quotes has its semicolons; any other ends at the first."""
    if quoted := _FORM_QUOTED.match(text):
        return re.sub(r'\\([\\"])', r"\1", quoted[1])
    return text.partition(";")[0].strip()


def _definition(command: _Command) -> Imported:
    if command.form and command.has_data:
        raise PasteError("-F and -d are both there: curl sends only one of them.")
    is_get = "get" in command.flags
    has_body = bool(command.has_data or command.form) and not is_get
    method = command.method or ("POST" if has_body else "GET")
    if "head" in command.flags or method == "HEAD":
        command.notes.append(_LEFT_OUT["head"])
        method = "GET" if method == "HEAD" else method
    request = PastedRequest(
        method=method,
        url=_only_url(command),
        query=[*command.query, *([command.data] if is_get and command.data else [])],
        headers=_headers(command),
        credential=_credential(command),
        notes=command.notes,
    )
    found = definition_of(request)
    if not has_body:
        return found
    is_json = "json" in command.flags
    return with_body(found, command.data, command.form, is_json=is_json)


def _only_url(command: _Command) -> str:
    urls = command.urls
    if not urls:
        raise PasteError("The command has no address (https://…).")
    if "curl" in urls:
        raise PasteError("There are several commands. Paste one at a time.")
    if len(urls) > 1:
        raise PasteError(
            f"There are several addresses: {short(urls[0])} and {short(urls[1])}. "
            "Paste a command with one; is a quote or a backslash missing?"
        )
    url = urls[0]
    if command.scheme and "://" not in url:
        url = f"{command.scheme}://{url}"
    if "globoff" in command.flags:
        return url
    if _GLOB.search(url):
        raise PasteError(f"“{short(url)}” names several addresses. Paste one of them.")
    return re.sub(r"\\([{}\[\]])", r"\1", url)


def _headers(command: _Command) -> list[tuple[str, str]]:
    headers = []
    lines = list(command.headers)
    names = {line.partition(":")[0].strip().lower() for line in lines}
    for name, value in (("User-Agent", command.agent), ("Referer", command.referer)):
        if value and name.lower() not in names:
            lines.append(f"{name}: {value}")
    for line in lines:
        if line.startswith("@"):
            raise PasteError(f"-H {short(line)} reads headers from a file.")
        name, colon, value = line.partition(":")
        if colon and value.strip():
            headers.append((name.strip(), value.strip()))
        else:
            command.notes.append(f"The header “{short(line)}” is empty: left out.")
    return headers


def _credential(command: _Command) -> Credential:
    if command.bearer is not None:
        return Credential(auth=Auth.BEARER, secret=command.bearer)
    if command.user is not None:
        name, _, password = command.user.partition(":")
        return Credential(auth=Auth.BASIC, username=name, secret=password)
    return Credential()
