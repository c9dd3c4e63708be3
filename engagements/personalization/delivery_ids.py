"""`engagement.delivery_id`: the same text whenever the same delivery is sent again.

In an event's properties it lets whoever reads the events drop repeats.
"""

from collections.abc import Iterable

from engagements.models import Delivery, Engagement, Run


def delivery_id(first_run_id: int, profile_id: int, transition_id: int) -> str:
    """One person (by which entry, 0 for none) in a run and in its retries."""
    return f"{first_run_id}-{profile_id}-{transition_id}"


def of_delivery(delivery: Delivery) -> str:
    assert delivery.profile_id is not None
    first = first_run_id(delivery.run)
    return delivery_id(first, delivery.profile_id, delivery.transition_id)


def first_run_id(run: Run) -> int:
    """The run that began it, where this one tries failed people of another again."""
    while run.retry_of is not None:
        run = run.retry_of
    return run.pk


def are_named(values: Iterable[str]) -> bool:
    """Whether any of the parameter values may mean it."""
    return any("delivery_id" in value for value in values)


def named(engagement: Engagement, ids: Iterable[str]) -> list[dict[str, object]]:
    """What `engagement` means in a value, to each of whom these are the deliveries."""
    own = {"name": engagement.name, "id": engagement.pk}
    return [{**own, "delivery_id": one} for one in ids]
