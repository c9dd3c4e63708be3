"""What an engagement says of its variants, as it is stored and as a run has pinned it.

A is the engagement's own values; each other variant names those that differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import orjson

LETTERS = "ABCDE"
HUNDREDTHS = 100
# The number of those whom a holdout keeps out of all variants.
HELD_OUT = 0


class HasVariants(Protocol):
    """An engagement, or a run."""

    variants: Any


class Variant(NamedTuple):
    """`share` in percent; `values` by parameter, of those that differ from A's."""

    letter: str
    name: str
    share: int
    values: Mapping[str, str] = {}

    @property
    def number(self) -> int:
        """What stands in a delivery: 1 is A."""
        return number_of(self.letter)

    def __str__(self) -> str:
        return f"{self.letter} “{self.name}”"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
    """`hundredths`: a letter for each hundredth of all people. False where there are none."""

    variants: tuple[Variant, ...] = ()
    hundredths: str = ""
    # The letter of the one that everybody gets.
    winner: str = ""

    def __bool__(self) -> bool:
        return bool(self.variants)

    @property
    def letters(self) -> str:
        return "".join(one.letter for one in self.variants)

    @property
    def winning(self) -> Variant | None:
        return self.by_letter(self.winner)

    @property
    def in_use(self) -> tuple[Variant, ...]:
        """Those that somebody gets."""
        letters = self.winner or self.hundredths
        return tuple(one for one in self.variants if one.letter in letters)

    @property
    def shares(self) -> list[int]:
        """How many hundredths each has that somebody gets, the largest first."""
        letters = self.winner * HUNDREDTHS or self.hundredths
        return sorted(map(letters.count, set(letters)), reverse=True)

    def by_letter(self, letter: str) -> Variant | None:
        return next((one for one in self.variants if one.letter == letter), None)

    def at(self, hundredth: int) -> int:
        """The number of the variant whose this hundredth (from 0) is."""
        return number_of(self.winner or self.hundredths[hundredth])

    def name(self, number: int | None) -> str:
        """A delivery's variant in words; "" where it has none."""
        if number is None:
            return ""
        if number == HELD_OUT:
            return "Holdout"
        letter = LETTERS[number - 1]
        return str(self.by_letter(letter) or letter)

    def values(self, number: int | None, own: Mapping[str, str]) -> Mapping[str, str]:
        """All values of a variant, where `own` are the engagement's (A's)."""
        found = next((v for v in self.variants if v.number == number), None)
        return {**own, **found.values} if found else own

    def by_number(self, own: Mapping[str, str]) -> dict[int, Mapping[str, str]]:
        """The same of each that somebody gets; empty where there are no variants."""
        return {one.number: self.values(one.number, own) for one in self.in_use}

    def each(self, own: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
        """All values that somebody gets: one mapping where there are no variants."""
        return list(self.by_number(own).values()) or [own]

    def as_json(self) -> dict[str, object]:
        if not self:
            return {}
        return {
            "variants": [one._asdict() for one in self.variants],
            "hundredths": self.hundredths,
            "winner": self.winner,
        }


NONE = Variants()


def of(what: HasVariants) -> Variants:
    """The variants of an engagement, or those that a run has pinned."""
    return read(what.variants) if what.variants else NONE


def read(stored: Mapping[str, Any]) -> Variants:
    """Variants as `as_json` writes them."""
    if not stored:
        return NONE
    return Variants(
        variants=tuple(Variant(**one) for one in stored["variants"]),
        hundredths=stored["hundredths"],
        winner=stored["winner"],
    )


def read_text(stored: str) -> Variants:
    """The same of JSON as PostgreSQL gives it out."""
    return read(orjson.loads(stored))


def number_of(letter: str) -> int:
    return LETTERS.index(letter) + 1


def made(variants: Sequence[Variant], before: Variants = NONE) -> Variants:
    """These variants, with as few people as can be moved from what was before.

    (P) Each keeps of its hundredths as many as its new share has; only what one has to
    give goes to those that grow. Where there were none, everybody was A's.
    """
    if len(variants) < 2:
        return NONE
    old = before.hundredths or LETTERS[0] * HUNDREDTHS
    hundredths = spread(old, {one.letter: one.share for one in variants})
    return Variants(
        variants=tuple(variants), hundredths=hundredths, winner=before.winner
    )


def spread(old: str, shares: Mapping[str, int]) -> str:
    """A letter for each hundredth, by shares that sum to 100; `old` ones are kept."""
    left = dict(shares)
    kept = []
    for letter in old:
        has_room = left.get(letter, 0) > 0
        kept.append(letter if has_room else "")
        if has_room:
            left[letter] -= 1
    free = iter("".join(letter * count for letter, count in left.items()))
    return "".join(letter or next(free) for letter in kept)


def kept(source: Variants, now: Variants) -> Variants:
    """Those of now, for people of a run that is tried again.

    (P) They are drawn as they were then, so that another share moves nobody who is only
    tried again. A winner is everybody's, and so is what has gone nobody's any more.
    """
    if not (source and now) or now.winner:
        return now
    drawn = source.winner * HUNDREDTHS or source.hundredths
    return replace(now, hundredths=drawn) if set(drawn) <= set(now.letters) else now


def in_words(variants: Variants) -> str:
    """What they are, without a stop; "" where there are none."""
    if winner := variants.winning:
        return f"{winner} for everybody: it was chosen the winner"
    return ", ".join(f"{one} {one.share} %" for one in variants.variants)


def changes(before: Variants, after: Variants) -> list[str]:
    """For the history, what the fields of the form do not tell: one more, or one less."""
    if before.letters == after.letters:
        return []
    return [f"Variants: {in_words(before) or 'none'} → {in_words(after) or 'none'}."]
