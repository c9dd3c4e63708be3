"""A pasted curl command, read as curl would read it, made into a definition.

The options are those of curl's manual page; what of them cannot be taken is said in
the notes, and what would change the meaning is refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from externalapi.pasted import shell
from externalapi.pasted.body import with_body
from externalapi.pasted.imported import Imported, PasteError, short
from externalapi.pasted.request import Credential, PastedRequest, definition_of
from externalapi.sign_in import Auth

MAX_CHARS = 200_000

_FLAGS = {
    "G": "get",
    "I": "head",
    "k": "insecure",
    "L": "location",
    "s": "silent",
    "S": "show-error",
    "v": "verbose",
    "i": "include",
    "g": "globoff",
    "f": "fail",
    "N": "no-buffer",
    "O": "remote-name",
    "J": "remote-header-name",
    "j": "junk-session-cookies",
    "n": "netrc",
    "a": "append",
    "q": "disable",
    "#": "progress-bar",
    "0": "http1.0",
    "1": "tlsv1",
    "4": "ipv4",
    "6": "ipv6",
}
_WITH_VALUE = {
    "X": "request",
    "H": "header",
    "d": "data",
    "u": "user",
    "F": "form",
    "A": "user-agent",
    "e": "referer",
    "b": "cookie",
    "c": "cookie-jar",
    "o": "output",
    "w": "write-out",
    "m": "max-time",
    "x": "proxy",
    "U": "proxy-user",
    "E": "cert",
    "T": "upload-file",
    "K": "config",
    "D": "dump-header",
    "r": "range",
    "y": "speed-time",
    "Y": "speed-limit",
    "z": "time-cond",
    "C": "continue-at",
}
_LONG_WITH_VALUE = frozenset(_WITH_VALUE.values()) | frozenset(
    """
    data-raw data-binary data-ascii data-urlencode json form-string url url-query
    oauth2-bearer key cacert capath cert-type key-type pass ciphers tls-max
    connect-timeout retry retry-delay retry-max-time max-redirs limit-rate resolve
    connect-to interface noproxy proxy-header aws-sigv4 unix-socket dns-servers
    keepalive-time max-filesize stderr trace trace-ascii proto proto-default
    """.split()
)
# How a request is printed or kept apart is nobody's loss.
_HARMLESS = frozenset(
    """
    silent show-error verbose include globoff fail fail-with-body no-buffer
    progress-bar no-progress-meter remote-name remote-header-name output write-out
    dump-header cookie-jar compressed compressed-ssh location location-trusted
    http1.0 http1.1 http2 http2-prior-knowledge http3 tlsv1 tlsv1.2 tlsv1.3 ipv4 ipv6
    basic path-as-is create-dirs stderr trace trace-ascii disable no-keepalive
    keepalive-time junk-session-cookies anyauth styled-output no-styled-output
    """.split()
)
_LEFT_OUT = {
    "insecure": "-k is left out: certificates are always checked.",
    "head": "-I asks for headers alone; the definition uses GET.",
    "cookie": "The cookies are left out: they are one person's session and end with "
    "it. Ask the vendor for an API key.",
    "max-time": "The time limit is left out: requests have one of their own.",
    "connect-timeout": "The time limit is left out: requests have one of their own.",
    "retry": "The retries are left out: deliveries are retried by their own rules.",
}
_FILES = {
    "upload-file": "-T sends a file",
    "config": "-K reads options from a file",
    "cert": "-E signs in with a certificate file",
    "key": "--key signs in with a key file",
    "netrc": "-n signs in with a file of this computer",
    "aws-sigv4": "--aws-sigv4 signs each request for AWS",
}
_OTHER_COMMANDS = {
    "wget": "This is a wget command.",
    "http": "This is an HTTPie command.",
    "https": "This is an HTTPie command.",
    "fetch(": "This is JavaScript.",
    "invoke-webrequest": "This is PowerShell's own command.",
    "invoke-restmethod": "This is PowerShell's own command.",
}


@dataclass(slots=True, kw_only=True)
class _Command:
    """What the options of one command said, in the order they came."""

    urls: list[str] = field(default_factory=list)
    method: str = ""
    headers: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    form: list[tuple[str, str]] = field(default_factory=list)
    query: list[str] = field(default_factory=list)
    is_json: bool = False
    is_get: bool = False
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
        words, rest = shell.split(text)
    except shell.UnclosedQuoteError as e:
        raise PasteError(f"{e}. Copy the whole command, to its last quote.") from e
    _check_is_curl(words)
    command = _Command()
    if rest:
        command.notes.append(f"What follows the command is left out: {short(rest)}")
    for name, value in _options(words[1:]):
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
    if "curl" in words[1:] or "--next" in words or "-:" in words:
        raise PasteError("There are several commands. Paste one at a time.")


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each option's long name with its value; an address is a “url”."""
    rest = iter(words)
    for word in rest:
        if word == "--":
            yield from (("url", one) for one in rest)
        elif word.startswith("--"):
            yield _long(word[2:], rest)
        elif word.startswith("-") and len(word) > 1:
            yield from _short_options(word[1:], rest)
        elif word.strip():
            yield "url", word


def _long(word: str, rest: Iterator[str]) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if name in _LONG_WITH_VALUE:
        return name, value if equals else _value_of(f"--{name}", rest)
    return name, ""


def _short_options(letters: str, rest: Iterator[str]) -> Iterator[tuple[str, str]]:
    """-sSL is three flags; in -XPOST what follows the letter is its value."""
    for at, letter in enumerate(letters):
        if name := _WITH_VALUE.get(letter):
            value = letters[at + 1 :]
            # Nobody means -X=POST's equals sign, and curl would take it along.
            value = value.removeprefix("=") if name == "request" else value
            yield name, value or _value_of(f"-{letter}", rest)
            return
        if letter not in _FLAGS:
            raise PasteError(f"curl has no option -{letter}. Check the command.")
        yield _FLAGS[letter], ""


def _value_of(option: str, rest: Iterator[str]) -> str:
    value = next(rest, None)
    if value is None:
        raise PasteError(f"{option} has no value. Copy the whole command.")
    return value


def _take(command: _Command, name: str, value: str) -> None:
    """Put one option where it belongs."""
    if name.startswith("data") or name == "json":
        _take_data(command, name, value)
    elif name in ("form", "form-string"):
        command.form.append(_form_field(name, value))
    elif name in _FILES:
        raise PasteError(f"{_FILES[name]}, which an External API cannot do.")
    elif name in _LEFT_OUT:
        command.notes.append(_LEFT_OUT[name])
    elif not _take_simple(command, name, value) and name not in _HARMLESS:
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
            command.headers.append(f"User-Agent: {value}")
        case "referer":
            command.headers.append(f"Referer: {value}")
        case "user":
            command.user = value
        case "oauth2-bearer":
            command.bearer = value
        case "url-query":
            command.query.append(_urlencoded(value))
        case "get":
            command.is_get = True
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
    command.data.append(value)
    command.is_json = command.is_json or name == "json"


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
    if option == "form" and text[:1] in ("@", "<"):
        raise PasteError(
            f"-F {short(value)} uploads a file, which an External API cannot do."
        )
    return name, text.partition(";type=")[0] if option == "form" else text


def _definition(command: _Command) -> Imported:
    data = "&".join(command.data)
    has_body = bool(command.data or command.form) and not command.is_get
    method = command.method or ("POST" if has_body else "GET")
    if method == "HEAD":
        command.notes.append(_LEFT_OUT["head"])
        method = "GET"
    request = PastedRequest(
        method=method,
        url=_only_url(command.urls),
        query=[*command.query, *([data] if command.is_get and data else [])],
        headers=_headers(command),
        credential=_credential(command),
        notes=command.notes,
    )
    found = definition_of(request)
    if not has_body:
        return found
    return with_body(found, data, command.form, is_json=command.is_json)


def _only_url(urls: list[str]) -> str:
    if not urls:
        raise PasteError("The command has no address (https://…).")
    if len(urls) > 1:
        raise PasteError(
            f"There are several addresses: {short(urls[0])} and {short(urls[1])}. "
            "Paste a command with one; is a quote or a backslash missing?"
        )
    return urls[0]


def _headers(command: _Command) -> list[tuple[str, str]]:
    headers = []
    for line in command.headers:
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
