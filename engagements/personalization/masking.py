"""A body with what comes from a person masked, and everything else as it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from engagements.personalization.columns import Column, Context, Gaps, Group
from engagements.personalization.liquid import MISSING, Result, compile_masked
from engagements.personalization.renderer import Recipe
from externalapi.template.parameters import Level
from lemnisk_braze.lib.json_types import JSON

Mask = Callable[[JSON], JSON]


def masked(recipe: Recipe, values: Mapping[str, str], mask: Mask) -> Recipe:
    """The recipe of a body alone, where what a person's data say is masked.

    Constants stay: those of the External API, of the engagement's values, and the words
    around a variable.
    """
    columns = dict(recipe.columns)
    for reader in recipe.definition.readers:
        name, level = reader.parameter.name, reader.parameter.level
        if level == Level.IDENTIFIER:
            columns[name] = _masked(columns[name], None, mask)
        elif level == Level.ENGAGEMENT and name in values:
            value = compile_masked(values[name], mask)
            if value.is_personal:
                columns[name] = _masked(columns[name], value.evaluate, mask)
    return replace(recipe, definition=recipe.definition.of_body(), columns=columns)


def _masked(
    column: Column, evaluate: Callable[[Context], Result] | None, mask: Mask
) -> Column:
    """A column of masked values, of those who have one; without `evaluate` of all."""

    def masked_column(group: Group) -> tuple[Sequence[JSON], Gaps]:
        values, gaps = column(group)
        found = list(values)
        for n, value in enumerate(values):
            if n in gaps:
                continue
            said = mask(value) if evaluate is None else evaluate(group.context(n))
            # Missing: what stands there is the External API's default.
            found[n] = value if said is MISSING else said
        return found, gaps

    return masked_column
