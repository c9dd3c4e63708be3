"""What can be a connection's key, wherever one is typed. Pure."""

from urllib.parse import quote

from externalapi.http.auth import Auth

# Shorter keys would make `redact` eat ordinary words, and are no keys.
MIN_LENGTH = 8
MAX_LENGTH = 1_000
# What a key in an address takes, percent signs and all: a person's values need room
# beside it.
KEY_ROOM = 300


def problem_of(key: str, auth: str) -> str:
    """What is wrong with a key that signs in this way; empty where nothing is."""
    if not MIN_LENGTH <= len(key) <= MAX_LENGTH or not _is_visible(key):
        return (
            f"A key has at least {MIN_LENGTH} characters and at most {MAX_LENGTH:,}, "
            "all of them visible ASCII. Copy it again."
        )
    if auth not in (Auth.BASIC, Auth.OAUTH2) and any(char in key for char in " \"'"):
        return "Copy the key without quotes and spaces."
    if auth == Auth.QUERY and len(quote(key, safe="")) > KEY_ROOM:
        return (
            f"A key in the address has at most {KEY_ROOM} characters, a percent-encoded "
            "one counted as three. Send it in a header, if the API takes it there."
        )
    return ""


def _is_visible(key: str) -> bool:
    return key.isascii() and key.isprintable()
