"""What `manage.py check --deploy` says about settings that are for a laptop only."""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

W001 = checks.Warning(
    "ALLOWED_LOCAL_ADDRESSES lets External APIs reach addresses of the own network.",
    hint="Leave ALLOWED_LOCAL_ADDRESSES empty in production. It is for the Braze "
    "sandbox on a developer's machine.",
    id="lemnisk_braze.W001",
)
W002 = checks.Warning(
    "SECRET_KEY was made by itself and lies under VAR_DIR.",
    hint="Set SECRET_KEY to a long random text, the same for every process. A lost "
    "or different key signs everybody out.",
    id="lemnisk_braze.W002",
)
W003 = checks.Warning(
    "The key that connections' API keys are encrypted with was made by itself and "
    "lies under VAR_DIR.",
    hint="Set SECRETS_KEYS to one long random text (later: the newest first, "
    "separated by commas), the same for every process, and keep a copy: without it "
    "every connection needs its API key again.",
    id="lemnisk_braze.W003",
)

E001 = checks.Error(
    "A text in SECRETS_KEYS is too short or too simple to keep connections' API keys "
    "from who has a copy of the database.",
    hint="Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'. "
    "Put it in front of the others, run manage.py rotate_secrets, then take the weak "
    "one out.",
    id="lemnisk_braze.E001",
)
E002 = checks.Error(
    "CA_FILE names no file with certificates, so no HTTPS server would be trusted.",
    hint="Name a PEM file of the authorities to trust in place of the public ones, or "
    "leave CA_FILE empty.",
    id="lemnisk_braze.E002",
)
# As many as token_urlsafe(24) or a UUID without its dashes has.
_SHORTEST_SECRET = 32
_FEWEST_CHARACTERS = 8


def register() -> None:
    checks.register(local_addresses_are_for_development, deploy=True)
    checks.register(secrets_are_set, deploy=True)
    checks.register(secrets_are_strong, deploy=True)
    checks.register(authorities_are_there)


def local_addresses_are_for_development(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    is_production = settings.HTTPS and not settings.DEBUG
    return [W001] if is_production and settings.ALLOWED_LOCAL_ADDRESSES else []


def secrets_are_set(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Compare with the kept files: a text from there was not set by anybody."""
    found: list[checks.CheckMessage] = []
    if _kept("secret-key") == settings.SECRET_KEY:
        found.append(W002)
    if _kept("secrets-key") in settings.SECRETS_KEYS:
        found.append(W003)
    return found


def secrets_are_strong(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Any text becomes a key for Fernet; what can be guessed makes one that can be."""
    return [] if all(map(_is_strong, settings.SECRETS_KEYS)) else [E001]


def authorities_are_there(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    if not settings.CA_FILE:
        return []
    try:
        found = ssl.create_default_context(cafile=settings.CA_FILE).get_ca_certs()
    except OSError:
        return [E002]
    return [] if found else [E002]


def _is_strong(text: str) -> bool:
    text = text.strip()
    return len(text) >= _SHORTEST_SECRET and len(set(text)) >= _FEWEST_CHARACTERS


def _kept(filename: str) -> str | None:
    try:
        return (Path(str(settings.VAR_DIR)) / filename).read_text().strip()
    except OSError:
        return None
