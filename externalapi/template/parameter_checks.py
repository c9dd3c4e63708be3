"""What a parameter may be, wherever it comes from. Errors are sentences for people."""

from dataclasses import replace

from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.template.transforms import Transform

MAX_WORDS = 255
MAX_ALLOWED = 100


def check_parameter(parameter: Parameter) -> None:
    """Raise ValueError with a sentence for a parameter that no row could save."""
    is_fixed = parameter.level is Level.FIXED
    checked(parameter, parameter.value if is_fixed else parameter.default)


def checked(parameter: Parameter, typed: str) -> Parameter:
    """Return the parameter with what is typed as its value; ValueError says why not."""
    if parameter.level is Level.FIXED and parameter.required and not typed:
        raise ValueError("A fixed parameter needs a value.")
    if max(len(parameter.label), len(parameter.example)) > MAX_WORDS:
        raise ValueError(f"A label or example has at most {MAX_WORDS} characters.")
    _check_treatment(parameter)
    for text, what in ((typed, ""), (parameter.example, "The example: ")):
        if text:
            _check_value(parameter, text, what)
    return parameter


def _check_treatment(parameter: Parameter) -> None:
    if parameter.transform is not Transform.NONE:
        if parameter.type is not ParameterType.TEXT:
            raise ValueError("Only a text can be treated. Choose the type Text.")
        if parameter.allowed and parameter.transform.is_hash:
            raise ValueError("What is hashed cannot be one of the allowed values.")
    if len(parameter.allowed) > MAX_ALLOWED:
        raise ValueError(f"There are more than {MAX_ALLOWED} allowed values.")
    plain = replace(parameter, allowed=(), transform=Transform.NONE)
    for one in parameter.allowed:
        _check_value(plain, one, "The allowed values: ")


def _check_value(parameter: Parameter, typed: str, what: str) -> None:
    try:
        parameter.coerce(typed)
    except ValueError as e:
        text = str(e)
        words = f"{what}{text}" if what else f"{text[:1].upper()}{text[1:]}"
        raise ValueError(f"{words.removesuffix('.')}.") from e
