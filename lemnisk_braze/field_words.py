"""What is wrong in a field, as all forms say it: what to enter, and no more."""

from django.core import validators
from django.utils.translation import ngettext_lazy


def register() -> None:
    """Have Django's validators say what to enter, wherever a form says nothing else."""
    validators.MinValueValidator.message = "Enter %(limit_value)s or more."
    validators.MaxValueValidator.message = "Enter %(limit_value)s or less."
    validators.MaxLengthValidator.message = ngettext_lazy(
        "Enter at most %(limit_value)d character: these are %(show_value)d.",
        "Enter at most %(limit_value)d characters: these are %(show_value)d.",
        "limit_value",
    )
