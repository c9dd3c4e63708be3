"""What the form of a rule (static/segments/rule_builder.js) is given, and asks.

`form_data` is what its page brings: the names of the dictionary, the comparisons, and the
`starting_points` of a new segment. While a rule is written, the form asks for `examples`
of a name, and for the `size` of what it takes in.
"""

__all__ = [
    "examples",
    "form_data",
    "size",
]
