"""Everybody, and some of everybody by chance.

    {"everybody": true}
    {"share": 10.5, "salt": "text"}     so many percent of all people

Chance is a hash of the person with the salt: the same people for the same salt, for ever,
and others for another. (P) An anonymous person who turns out to be a known one counts as
that one from then on.
"""

from hashlib import sha256
from typing import Any

from django.core.exceptions import ValidationError

from lemnisk_braze.lib.names import is_one_line
from segments.models import Profile
from segments.rules.kinds import Condition, Kind, Person, allow
from segments.rules.operators import literal
from segments.rules.schema import an_object

MAX_SALT = 100
# The first bytes of a hash, as a number, are below the share of this.
ALL = 1 << 64


class Everybody(Kind):
    key = "everybody"

    def validate(self, condition: Condition, where: str) -> None:
        allow(condition, {"everybody"}, where)
        if condition["everybody"] is not True:
            raise ValidationError(f"{where}: “everybody” is true, and nothing else.")

    def schema(self) -> list[dict[str, Any]]:
        return [an_object({"everybody": {"const": True}})]

    def describe(self, condition: Condition) -> str:
        return "everybody"

    def describe_not(self, condition: Condition) -> str:
        return "nobody"

    def sql(self, condition: Condition, person: Person) -> str:
        return "true"

    def shown(self, condition: Condition, person: Profile) -> str:
        return "Everybody is."


class Share(Kind):
    key = "share"

    def validate(self, condition: Condition, where: str) -> None:
        allow(condition, {"share", "salt"}, where)
        share, salt = condition["share"], condition.get("salt")
        is_number = isinstance(share, int | float) and not isinstance(share, bool)
        if not is_number or not 0 < share <= 100:
            raise ValidationError(
                f"{where}: a share is a number of percent above 0, up to 100."
            )
        if not isinstance(salt, str) or not 0 < len(salt.strip()) <= MAX_SALT:
            raise ValidationError(
                f"{where}: a share has a salt of its own, a text of up to {MAX_SALT}"
                " characters: the same people for the same text."
            )
        if not is_one_line(salt):
            raise ValidationError(
                f"{where}: the salt is one line of visible characters."
            )

    def schema(self) -> list[dict[str, Any]]:
        share = {"type": "number", "exclusiveMinimum": 0, "maximum": 100}
        salt = {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_SALT,
            "pattern": r"\S",
        }
        return [an_object({"share": share, "salt": salt})]

    def describe(self, condition: Condition) -> str:
        return f"a random {condition['share']:g} % of people (“{condition['salt']}”)"

    def sql(self, condition: Condition, person: Person) -> str:
        if condition["share"] == 100:
            return "true"
        # Bytes are compared from the first on, as the digits of a number are.
        most = int(condition["share"] / 100 * ALL).to_bytes(8)
        text = f"{literal(_salted(condition, ''))} || {person.id}::text"
        hashed = f"sha256(convert_to({text}, 'UTF8'))"
        return f"({hashed} < '\\x{most.hex()}'::bytea)"

    def shown(self, condition: Condition, person: Profile) -> str:
        hashed = sha256(_salted(condition, person.pk).encode()).digest()
        place = int.from_bytes(hashed[:8]) / ALL * 100
        return f"Drawn from 0 to 100, they are at {place:.4g}."


def _salted(condition: Condition, id: object) -> str:
    # No salt has the character that ends it here.
    return f"{condition['salt']}\n{id}"
