"""How an e-mail address and a phone number are kept, whatever they look like when sent."""

from lemnisk_braze.lib.names import visible


def as_email(text: str) -> str:
    return visible(text).strip().lower()


def as_phone(text: str) -> str:
    return visible(text).strip()
