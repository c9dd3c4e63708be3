"""The body of a request, written in an engagement as JSON whose values hold variables.

`reading` reads what was typed, `versions` makes of it a version of the External API with
a parameter for each value, which everything that sends takes as it takes any other;
`beginning` is what the editor begins with, `difference` says what a save has changed.
"""

__all__ = ["beginning", "difference", "versions"]
