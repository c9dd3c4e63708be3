"""What people's data is called: every name that came, what came under it, what is said of it.

`observing` counts names and types as they are applied, and `writing` adds them to the
entries, within each source's budget of names. `expecting` holds messages against the
types that people expect. `shares` finds out how many people have what, `building` reads
what was stored before; both a little at a tick. `catalog` is what every picker offers,
`examples` reads some values, and `uses` says who reads a name.
"""

__all__ = [
    "building",
    "catalog",
    "examples",
    "expecting",
    "observing",
    "shares",
    "uses",
    "values",
    "writing",
]
