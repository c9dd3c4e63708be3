"""Secrets that a row keeps: encrypted with SECRETS_KEYS, and bound to their row."""

import base64
from collections.abc import Sequence
from functools import lru_cache

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.apps import apps
from django.conf import settings
from django.db.models import Model

# (model, field) whose secrets are kept by this module: for a change of SECRETS_KEYS.
FIELDS: list[tuple[str, str]] = []


class SealError(Exception):
    """What is kept cannot be read: it was encrypted with another SECRETS_KEY."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def seal(row: Model, text: str) -> str:
    """Encrypt a text, bound to its (saved) row."""
    return (
        ciphers("rows").encrypt(orjson.dumps([row._meta.label, row.pk, text])).decode()
    )


def unseal(row: Model, sealed: str) -> str:
    """Return the text that is sealed, empty for an empty one; raises SealError."""
    if not sealed:
        return ""
    try:
        label, pk, text = orjson.loads(ciphers("rows").decrypt(sealed.encode()))
    except InvalidToken as e:
        raise SealError from e
    # A ciphertext that was copied from another row is worth nothing here.
    if (label, pk) != (row._meta.label, row.pk):
        raise SealError
    return str(text)


def rotate_all() -> int:
    """Encrypt all of FIELDS with the newest passphrase; return how many. SealError."""
    count = 0
    for label, field in FIELDS:
        model = apps.get_model(label)
        for row in model._default_manager.exclude(**{field: ""}).order_by("pk"):
            old = getattr(row, field)
            unseal(row, old)
            new = ciphers("rows").rotate(old.encode()).decode()
            # Unless somebody has set another one meanwhile.
            same = model._default_manager.filter(pk=row.pk, **{field: old})
            count += same.update(**{field: new})
    return count


def ciphers(label: str) -> MultiFernet:
    """What SECRETS_KEYS encrypt with, for one use: the label keeps others apart."""
    return _ciphers(tuple(settings.SECRETS_KEYS), label)


@lru_cache(maxsize=16)
def _ciphers(passphrases: Sequence[str], label: str) -> MultiFernet:
    return MultiFernet([Fernet(_derived(phrase, label)) for phrase in passphrases])


def _derived(passphrase: str, label: str) -> bytes:
    """Any passphrase becomes a Fernet key."""
    info = f"lemnisk-braze {label}".encode()
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=info)
    return base64.urlsafe_b64encode(kdf.derive(passphrase.encode()))
