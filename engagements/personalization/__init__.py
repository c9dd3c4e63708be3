"""What each person gets: values first, then the External API's template.

A value such as `{{ profile.first_name | default: "there" }}` is compiled by `liquid` from
`expressions`, the `filters`, `tags` and their `conditions`, and evaluated for one person;
`columns` does it for a whole batch where that is the same, and `renderer` makes the
people's payloads of them. `masking` masks what of it comes from the person.
`variable_catalog` says what can be inserted, `spelling` what somebody may have meant.
"""

__all__ = [
    "columns",
    "delivery_ids",
    "liquid",
    "masking",
    "renderer",
    "variable_catalog",
]
