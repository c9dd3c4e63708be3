"""What people's data is called: every name that came, what came under it, what is said of it.

`observing` counts the names and types of a chunk of messages, `folding` keeps that with
what they say, and `writing` adds it to the entries, within each source's budget of names. `expecting` holds messages against the
types that people expect. `shares` finds out how many people have what, `building` reads
what was stored before; both a little at a tick. `catalog` is what every picker offers,
`examples` reads some values, and `uses` says who reads a name.
"""

__all__ = [
    "building",
    "catalog",
    "examples",
    "expecting",
    "folding",
    "observing",
    "shares",
    "uses",
    "values",
    "writing",
]
