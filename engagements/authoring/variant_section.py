"""The part of an engagement's form that says what others than A get, and how many."""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.forms.boundfield import BoundField

from engagements.authoring.value_checks import problem
from engagements.authoring.value_widgets import (
    ParameterInput,
    value_field,
)
from engagements.models import Engagement
from engagements.variants import drawing, plan
from engagements.variants.plan import LETTERS, NONE, Variant, Variants
from externalapi.template.parameters import Parameter
from lemnisk_braze.lib.names import one_line
from segments.models import Profile, Segment

PREFIX = "variant_"
# The answer to the preview's question whose values it shows.
PREVIEWED = "preview_variant"
ADD, REMOVE = "add_variant", "remove_variant_"
MAX_NAME = 60
OTHERS = LETTERS[1:]


def name_of(letter: str) -> str:
    return f"{PREFIX}{letter}_name"


def share_of(letter: str) -> str:
    return f"{PREFIX}{letter}_share"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One variant as the page asks for it; A has no values of its own here."""

    letter: str
    name: BoundField
    share: BoundField
    values: list[ParameterInput]


class VariantSection(forms.Form):
    """Mixed into the form of an engagement, which calls what checks and what draws."""

    if TYPE_CHECKING:
        instance: Engagement
        initial_typed: frozenset[str]
        is_locked: bool

    # What the page draws.

    @property
    def variant_parts(self) -> list[Part]:
        return [
            Part(
                letter=letter,
                name=self[name_of(letter)],
                share=self[share_of(letter)],
                values=[
                    ParameterInput(
                        parameter=parameter, field=self[name], if_empty="as variant A"
                    )
                    for name, parameter in self._values_of(letter).items()
                ],
            )
            for letter in self._letters
        ]

    @property
    def next_letter(self) -> str:
        """The letter of one more; "" where there is room for none."""
        return _next(self._letters)

    @property
    def typed_variants(self) -> Variants:
        """The variants as they stand in the fields now, as far as they can be read."""
        if not self._letters:
            return NONE
        shares = {
            letter: _whole(self[share_of(letter)].value()) for letter in self._letters
        }
        variants = tuple(
            Variant(
                letter=letter,
                name=str(self[name_of(letter)].value() or ""),
                share=shares[letter],
                values=self._typed_of(letter),
            )
            for letter in self._letters
        )
        before = plan.of(self.instance)
        if sum(shares.values()) == plan.HUNDREDTHS and all(
            n > 0 for n in shares.values()
        ):
            return plan.made(variants, before)
        return Variants(variants=variants, hundredths="", winner=before.winner)

    def previewed(self, person: Profile, wanted: str) -> int | None:
        """The number of the variant to preview: the wanted one, or the person's own.

        None where there is none, or nobody knows theirs yet.
        """
        variants = self.typed_variants
        if chosen := variants.by_letter(wanted):
            return chosen.number
        is_known = variants and (variants.winner or variants.hundredths)
        if not is_known or self.instance.pk is None:
            return None
        root = person.merged_into_id or person.pk
        return drawing.number(variants, self.instance.pk, root)

    # What is checked.

    def prepare_variants(self, parameters: Mapping[str, Parameter]) -> None:
        """Add the fields of the variants that there are, or that are typed.

        `parameters`: field of A → parameter, of all that others may have another value
        for, those too that are called by their place in a payload.
        """
        self._varied = parameters
        stored = plan.of(self.instance)
        self._letters = self._found_letters(stored)
        for letter in self._letters:
            own = stored.by_letter(letter)
            self.fields[name_of(letter)] = _name_field(letter, own.name if own else "")
            self.fields[share_of(letter)] = _share_field(
                letter, own.share if own else None
            )
            for name, parameter in self._values_of(letter).items():
                typed = own.values.get(parameter.name, "") if own else ""
                field = value_field(parameter, name, typed)
                field.widget.attrs["placeholder"] = "As variant A"
                field.label = f"Variant {letter}: {parameter.title}"
                self.fields[name] = field

    def clean_variants(
        self, cleaned: Mapping[str, Any], segment: Segment | None
    ) -> None:
        """What fits no single field, and each value as A's are checked."""
        if not self._letters:
            if plan.of(self.instance).winner:
                self.add_error(None, REMOVED_WINNER)
            return
        self._clean_names(cleaned)
        self._clean_shares(cleaned)
        for letter in self._letters:
            for name, parameter in self._values_of(letter).items():
                text = str(cleaned.get(name) or "").strip()
                if text and (message := problem(parameter, text, segment)):
                    self.add_error(name, message)
        winner = plan.of(self.instance).winner
        if winner and winner not in self._letters:
            self.add_error(share_of(LETTERS[0]), REMOVED_WINNER)

    def cleaned_variants(self) -> Variants:
        """The variants of a form that is valid."""
        variants = [
            Variant(
                letter=letter,
                name=self.cleaned_data[name_of(letter)],
                share=self.cleaned_data[share_of(letter)],
                values={
                    parameter.name: text
                    for name, parameter in self._values_of(letter).items()
                    if (text := str(self.cleaned_data[name] or "").strip())
                },
            )
            for letter in self._letters
        ]
        return plan.made(variants, plan.of(self.instance))

    def lost_values(self, before: Variants) -> list[str]:
        """A sentence for each value that went with its parameter, or its place."""
        known = {parameter.name for parameter in self._varied.values()}
        return [
            f"Variant {one.letter} had for “{name}”, which is there no more: {text}"
            for one in before.variants
            if one.letter in self._letters
            for name, text in one.values.items()
            if name not in known
        ]

    def _clean_names(self, cleaned: Mapping[str, Any]) -> None:
        seen: set[str] = set()
        for letter in self._letters:
            name = str(cleaned.get(name_of(letter)) or "").lower()
            if name and name in seen:
                self.add_error(name_of(letter), "Another variant has this name.")
            seen.add(name)

    def _clean_shares(self, cleaned: Mapping[str, Any]) -> None:
        names = [share_of(letter) for letter in self._letters]
        if any(self.has_error(name) for name in names):
            return
        total = sum(cleaned.get(name) or 0 for name in names)
        if total != plan.HUNDREDTHS:
            self.add_error(
                names[-1], f"Together the shares must be 100 %. They are {total} % now."
            )

    # How it is put together.

    def _found_letters(self, stored: Variants) -> str:
        typed: Callable[[str], bool]
        if self.is_locked:
            return stored.letters
        if self.is_bound:
            typed = self.data.__contains__
        elif self.initial_typed:
            typed = self.initial_typed.__contains__
        else:
            return stored.letters
        others = "".join(letter for letter in OTHERS if typed(share_of(letter)))
        return LETTERS[0] + others if others else ""

    def _values_of(self, letter: str) -> dict[str, Parameter]:
        """Field → parameter; A's are those of the engagement."""
        if letter == LETTERS[0]:
            return {}
        return {
            f"{PREFIX}{letter}_{name}": parameter
            for name, parameter in self._varied.items()
        }

    def _typed_of(self, letter: str) -> dict[str, str]:
        typed = {
            parameter.name: str(self[name].value() or "").strip()
            for name, parameter in self._values_of(letter).items()
        }
        return {name: text for name, text in typed.items() if text}


REMOVED_WINNER = (
    "The winner cannot be removed: everybody gets it. Go on testing first, or keep it."
)


def changed(typed: MutableMapping[str, Any], wish: str) -> None:
    """Add a variant to what was typed, or remove one; shares that were even stay so."""
    letters = "".join(letter for letter in OTHERS if share_of(letter) in typed)
    shown = LETTERS[0] + letters if letters else ""
    shares = [_whole(typed.get(share_of(letter))) for letter in shown]
    is_even = not shares or sorted(shares) == sorted(_even(len(shares)))
    if wish == ADD:
        letter = _next(shown)
        if not letter:
            return
        for one in letter if shown else LETTERS[0] + letter:
            typed[name_of(one)] = ""
            rest = plan.HUNDREDTHS - sum(shares)
            typed[share_of(one)] = str(rest) if shown and rest > 0 else ""
        shown = shown + letter if shown else LETTERS[0] + letter
    else:
        gone = wish.removeprefix(REMOVE)
        for name in [name for name in typed if name.startswith(f"{PREFIX}{gone}_")]:
            del typed[name]
        shown = shown.replace(gone, "")
    if is_even:
        for one, share in zip(shown, _even(len(shown)), strict=True):
            typed[share_of(one)] = str(share)


def _even(count: int) -> list[int]:
    """Shares that are as even as they can be; the first has what is left over."""
    if not count:
        return []
    each = plan.HUNDREDTHS // count
    return [plan.HUNDREDTHS - each * (count - 1), *[each] * (count - 1)]


def _next(shown: str) -> str:
    free = [letter for letter in OTHERS if letter not in shown]
    return free[0] if free else ""


def _whole(typed: object) -> int:
    text = str(typed or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def _check_name(name: str) -> None:
    one_line(name)


def _name_field(letter: str, initial: str) -> forms.CharField:
    attrs = {"autocomplete": "off", "placeholder": "Short subject line"}
    return forms.CharField(
        label=f"Variant {letter}: name",
        initial=initial,
        max_length=MAX_NAME,
        validators=[_check_name],
        error_messages={"required": "Enter a name, as reports will show it."},
        widget=forms.TextInput(attrs=attrs),
    )


def _share_field(letter: str, initial: int | None) -> forms.IntegerField:
    attrs = {"min": 1, "max": 99, "data-value": ""}
    return forms.IntegerField(
        label=f"Variant {letter}: share in percent",
        initial=initial,
        min_value=1,
        max_value=99,
        error_messages={
            "required": "Enter a whole number of percent.",
            "invalid": "Enter a whole number of percent.",
            "min_value": "Enter 1 to 99: with nobody, remove it instead.",
            "max_value": "Enter 1 to 99: for everybody, remove the others.",
        },
        widget=forms.NumberInput(attrs=attrs),
    )
