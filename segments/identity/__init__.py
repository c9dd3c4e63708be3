"""Who a message is about, what is known of them, and who turned out to be one person.

docs/identity.md has the rules. A call is read (`calls`), its people are found, made and
told (`people`, or `plain` where there is nothing to it), who is whose follows from all that was ever said (`joining`), and of an
attribute's values the newest stays (`values`), but of a list that is changed object by
object all that was said since it was said whole (`lists`).
"""

__all__ = [
    "calls",
    "lists",
    "people",
    "plain",
    "tombstones",
    "undo",
    "values",
]
