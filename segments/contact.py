"""How an e-mail address and a phone number are kept, whatever they look like when sent."""


def as_email(text: str) -> str:
    return text.strip().lower()


def as_phone(text: str) -> str:
    return text.strip()
