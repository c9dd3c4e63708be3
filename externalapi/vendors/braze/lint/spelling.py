"""Names that are nearly one of Braze's: `frist_name`, `firstName`, `birthday`."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from externalapi.vendors.braze.facts import contract

# How alike two names are, of 1; "propertys" and "properties" are 0.84.
_ALIKE = 0.84
_ATTRIBUTES = (
    frozenset(contract.STANDARD_ATTRIBUTES)
    | frozenset(contract.IDENTIFIERS)
    | frozenset(contract.CONTROL_FLAGS)
)
_OTHER_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "birthday": "dob",
        "birthdate": "dob",
        "dateofbirth": "dob",
        "emailaddress": "email",
        "phonenumber": "phone",
        "mobilenumber": "phone",
        "surname": "last_name",
        "givenname": "first_name",
        "familyname": "last_name",
        "sex": "gender",
        "externaluserid": "external_id",
    }
)


def likely_attribute(key: str) -> str:
    """Return the standard attribute that was probably meant; empty for none."""
    if key in _ATTRIBUTES:
        return ""
    return _OTHER_WORDS.get(_letters(key), "") or likely(key, _ATTRIBUTES)


def likely(key: str, names: Collection[str]) -> str:
    """Return the name that this one is a slip of; empty for none."""
    # phone2 and email_2 are somebody's own attributes.
    if key in names or key[-1:].isdecimal():
        return ""
    by_letters = {_letters(name): name for name in sorted(names)}
    found = get_close_matches(_letters(key), by_letters, n=1, cutoff=_ALIKE)
    # Of a short word too little is left to be sure.
    if not found or len(found[0]) < 4:
        return ""
    return by_letters[found[0]]


def _letters(key: str) -> str:
    return "".join(char for char in key.lower() if char.isalnum())
