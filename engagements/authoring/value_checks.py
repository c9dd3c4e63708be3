"""Whether what was typed for a parameter will do, before anybody is sent anything."""

from django.utils.text import Truncator

from engagements.authoring.preview import sentence
from engagements.personalization.liquid import (
    PersonalizationError,
    compile_value,
)
from engagements.personalization.variable_catalog import unknown_variable
from externalapi.template.parameters import Parameter
from segments.models import Segment

# Of what is said, in characters.
LONGEST = 500


def problem(parameter: Parameter, text: str, segment: Segment | None) -> str:
    """What is wrong with a parameter's value, or ""."""
    if not text:
        if parameter.required and not parameter.default:
            return "Enter a value, or insert a personalization variable."
        return ""
    try:
        value = compile_value(text)
        if not value.variables:
            result = value.evaluate({})
            if not isinstance(result, bool | int | float | str | list | dict):
                raise PersonalizationError("This expression has no value.")
            parameter.coerce(result)
    except ValueError as e:
        # It may quote what was typed.
        return sentence(Truncator(str(e)).chars(LONGEST))
    return unknown_variable(value, segment) if segment else ""
