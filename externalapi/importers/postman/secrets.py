"""A Postman collection without its keys, and without what no request needs.

Everything after this reads what comes out of it, so that nothing can keep a key.
"""

import re
from dataclasses import dataclass, field

import orjson

from externalapi.http.redaction import without
from externalapi.importers.common.http_request import (
    is_gap,
    is_secret_field,
    is_secret_header,
)
from externalapi.importers.common.redaction import HIDDEN
from externalapi.importers.common.types import PasteError
from lemnisk_braze.lib.json_types import JSON

# Recorded answers and scripts are long, and hold tokens.
_LEFT_OUT = frozenset({"response", "event", "protocolProfileBehavior", "cookie"})
# Of a way to sign in, what is no secret (Postman Collection Format, "Auth").
_OPEN = frozenset(
    """
    in addTokenTo tokenType grant_type accessTokenUrl authUrl scope headerPrefix
    username clientId tokenName client_authentication
    """.split()
)
# A shorter one, or a mere word, is hidden in its place alone: elsewhere it may be
# what it says.
_SHORTEST = 8
MAX_SECRETS = 500
# More would take seconds to search for every way to write a key.
MAX_LOOKED_THROUGH = 300_000
MAX_LOOKED_FOR = 50
_LISTS = frozenset({"header", "query", "urlencoded", "formdata", "variable"})
_SECRET_VARIABLE = re.compile(r"(?i).*(key|token|secret|passw|credential|auth).*")
_KEY_IN_TEXT = re.compile(r'("api[-_]?key"\s*:\s*")((?:[^"\\]|\\.)*)(")', re.I)
_QUERY_IN_TEXT = re.compile(r"(?<=[?&])([^=&#\s]{1,100})=([^&#\s]*)")
_USER_IN_TEXT = re.compile(r"(?<=://)[^/?#@\s{}]{1,200}:[^/?#@\s{}]{1,500}(?=@)")


def without_keys(tree: JSON) -> tuple[JSON, bool]:
    """Return the collection without its keys, and whether there was one.

    Raises PasteError where there are too many to look for.
    """
    cleaner = _Cleaner()
    cleaned = cleaner.clean(tree)
    return _without(cleaned, cleaner.secrets), cleaner.has_found


@dataclass(slots=True, kw_only=True)
class _Cleaner:
    secrets: set[str] = field(default_factory=set)
    has_found: bool = False

    def clean(self, tree: JSON, key: str = "") -> JSON:
        if isinstance(tree, dict):
            return {
                name: self._auth(item) if name == "auth" else self.clean(item, name)
                for name, item in tree.items()
                if name not in _LEFT_OUT and not name.startswith("_")
            }
        if isinstance(tree, list) and key in _LISTS:
            return [self._entry(self.clean(one), key) for one in tree]
        if isinstance(tree, list):
            return [self.clean(one) for one in tree]
        return self._text(tree, key) if isinstance(tree, str) else tree

    def hidden(self, value: JSON) -> JSON:
        """Take one value out, wherever else it stands too."""
        if not isinstance(value, str) or is_gap(value):
            return value if isinstance(value, str) else None
        self.has_found = True
        if len(value) >= _SHORTEST and not value.isalpha():
            self.secrets.add(value)
        return HIDDEN

    def _header(self, value: str) -> str:
        """Bearer and Basic are no secret, and say how it signs in."""
        scheme, space, rest = value.partition(" ")
        if space and scheme.lower() in ("bearer", "basic"):
            return f"{scheme} {self.hidden(rest.strip())}"
        return str(self.hidden(value))

    def _auth(self, tree: JSON) -> JSON:
        """{"type": "bearer", "bearer": [{"key": "token", "value": …}] or {…}}"""
        if not isinstance(tree, dict):
            return None
        return {
            kind: self._auth_values(item, str(tree.get("type")))
            for kind, item in tree.items()
            if kind in ("type", tree.get("type"))
        }

    def _auth_values(self, tree: JSON, kind: str) -> JSON:
        is_open = _OPEN | ({"key"} if kind == "apikey" else set())
        if isinstance(tree, dict):
            return {k: v if k in is_open else self.hidden(v) for k, v in tree.items()}
        if not isinstance(tree, list):
            return tree
        return [
            one
            if str(one.get("key")) in is_open
            else {**one, "value": self.hidden(one.get("value"))}
            for one in tree
            if isinstance(one, dict)
        ]

    def _entry(self, entry: JSON, kind: str) -> JSON:
        """One header, field or variable, named and valued."""
        value = entry.get("value") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(value, str):
            return entry
        name = str(entry.get("key") or entry.get("id") or "")
        match kind:
            case "header" if is_secret_header(name) or name.lower() == "cookie":
                return {**entry, "value": self._header(value)}
            case "variable":
                is_secret = entry.get("type") == "secret" or bool(
                    _SECRET_VARIABLE.fullmatch(name)
                )
            case _:
                is_secret = is_secret_field(name)
        return {**entry, "value": self.hidden(value)} if is_secret else entry

    def _text(self, text: str, key: str) -> str:
        if key == "header":
            return "\n".join(self._header_line(line) for line in text.split("\n"))
        if key == "raw" or "://" in text:
            text = _USER_IN_TEXT.sub(lambda f: str(self._user(f[0])), text)
            text = _QUERY_IN_TEXT.sub(self._query, text)
            text = _KEY_IN_TEXT.sub(lambda f: f"{f[1]}{self.hidden(f[2])}{f[3]}", text)
        return text

    def _header_line(self, line: str) -> str:
        name, colon, value = line.partition(":")
        if not colon or not is_secret_header(name.strip()):
            return line
        return f"{name}: {self._header(value.strip())}"

    def _user(self, text: str) -> str:
        name, _, password = text.partition(":")
        return f"{name}:{self.hidden(password)}"

    def _query(self, found: re.Match[str]) -> str:
        if not is_secret_field(found[1]):
            return found[0]
        return f"{found[1]}={self.hidden(found[2])}"


def _without(tree: JSON, secrets: set[str]) -> JSON:
    """Return the tree without these texts, in whatever sentence they stand."""
    if len(secrets) > MAX_SECRETS:
        raise PasteError(
            f"There are more than {MAX_SECRETS} different keys in the collection. "
            "Export a part of it."
        )
    text = orjson.dumps(tree).decode()
    # Longer ones first: one may be the beginning of another.
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(orjson.dumps(secret).decode()[1:-1], HIDDEN)
    if len(text) <= MAX_LOOKED_THROUGH and len(secrets) <= MAX_LOOKED_FOR:
        text = without(text, secrets, HIDDEN)
    cleaned: JSON = orjson.loads(text)
    return cleaned
