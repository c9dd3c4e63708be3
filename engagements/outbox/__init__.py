"""A batch on its way, as values and rows that every step shares.

A `claim` is a batch that a worker holds; a `prepared_request` is the batch as one request,
and with its answer a result; `delivery_records` write what became of each person;
`doubt` knows who may have been sent already, and lets them stay uncertain;
`known` is what an engagement that compares knows of a person; `in_order` keeps one
person's events from overtaking one another; `just_sent` notes who was sent something,
where a segment asks for that; `one_variant` keeps in a batch who gets which variant;
`putting_off` lets people wait for a later batch; `names` are those of whoever was merged
into somebody, too; `workers` knows which processes there are.
"""

__all__ = [
    "claim",
    "delivery_records",
    "doubt",
    "in_order",
    "just_sent",
    "known",
    "names",
    "one_variant",
    "prepared_request",
    "putting_off",
    "workers",
]
