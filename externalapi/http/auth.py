"""Where a connection's key goes in a request. Pure: the key comes in and goes out."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote


class Auth(StrEnum):
    """How an API wants to be signed in to."""

    BEARER = "bearer"
    BASIC = "basic"
    HEADER = "header"
    QUERY = "query"
    OAUTH2 = "oauth2"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPlan:
    """OAuth 2 client credentials (RFC 6749, 4.4): where a token is fetched, as whom.

    `connection_id` and `key_version` name the row that keeps the token.
    """

    connection_id: int
    key_version: int
    url: str
    client_id: str
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """`name` is the header's or the parameter's, `username` that of basic sign-in."""

    auth: Auth = Auth.BEARER
    name: str = ""
    username: str = ""
    token: TokenPlan | None = None

    def headers(self, headers: Mapping[str, str], key: str) -> dict[str, str]:
        """Return the headers with the key in its place; without a key as they are."""
        if not key or self.auth in (Auth.NONE, Auth.QUERY):
            return dict(headers)
        return _without(headers, self._header_name) | {
            self._header_name: self._header_value(key)
        }

    def url(self, url: str, key: str) -> str:
        """Return the address with the key as a parameter, where it belongs there."""
        if not key or self.auth is not Auth.QUERY:
            return url
        joint = "&" if "?" in url else "?"
        return f"{url}{joint}{quote(self.name, safe='')}={_quoted(key)}"

    @property
    def _header_name(self) -> str:
        return self.name if self.auth is Auth.HEADER else "Authorization"

    def _header_value(self, key: str) -> str:
        match self.auth:
            case Auth.HEADER:
                return key
            case Auth.BASIC if _is_mask(key):
                return f"Basic {key}"
            case Auth.OAUTH2 if _is_mask(key):
                # The key has fetched a token, which ends in something else.
                return f"Bearer {key[:4]}"
            case Auth.BASIC:
                pair = base64.b64encode(f"{self.username}:{key}".encode())
                return f"Basic {pair.decode()}"
        return f"Bearer {key}"


BEARER = SignIn()
NO_SIGN_IN = SignIn(auth=Auth.NONE)


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    """The connection's own header wins over one that a definition brings."""
    return {n: value for n, value in headers.items() if n.lower() != name.lower()}


def _quoted(key: str) -> str:
    return key if _is_mask(key) else quote(key, safe="")


def _is_mask(key: str) -> bool:
    """Keys are ASCII; what is shown instead of one is not, and stays readable."""
    return not key.isascii()
