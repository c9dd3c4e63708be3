"""Which variant each person of a batch gets, and what of it stands in the batch.

Where a request has room for one variant's values only, such as the name of a campaign
beside its recipients, the others of a batch are put off to batches of their own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import connection

from engagements.outbox import putting_off
from engagements.outbox.claim import Claim
from engagements.outbox.prepared_request import PreparedRequest

# A batch that somebody else has by now is theirs to write.
NOTE = """
    UPDATE engagements_batch b SET variants = x.variants::smallint[]
    FROM unnest(%s::bigint[], %s::uuid[], %s::text[]) AS x (batch_id, token, variants)
    WHERE b.id = x.batch_id AND b.lease_token = x.token
      AND b.variants <> x.variants::smallint[]
"""


def of_one_each(claims: Sequence[Claim], drawn: Mapping[int, int]) -> list[Claim]:
    """The claims with people of one variant each; the others are put off until at once.

    `drawn`: by the person's id as the batch has it, which one they get. Those who are
    put off go together with others of their variant, out of all these batches.
    """
    now = max(held.now for held in claims)
    due = {held.batch_id: _others(held, drawn, now) for held in claims}
    putting_off.put_off((held, due[held.batch_id]) for held in claims)
    return [held.without(due[held.batch_id].keys()) for held in claims]


def _others(
    held: Claim, drawn: Mapping[int, int], now: datetime
) -> dict[int, datetime]:
    """Who gets another one than most of the batch, by place, and when they are due.

    At a time of each variant's own, by which they find each other.
    """
    people = {
        place: drawn[id]
        for place, id in enumerate(held.profile_ids)
        if id in drawn and place not in held.left_out
    }
    most = Counter(people.values()).most_common(1)
    return {
        place: now + timedelta(microseconds=number)
        for place, number in people.items()
        if number != most[0][0]
    }


def note(requests: Iterable[PreparedRequest]) -> None:
    """Write down who gets which variant, for the ends of whoever is in the batch."""
    rows = [
        (one.batch_id, one.token, "{" + ",".join(map(str, one.variants)) + "}")
        for one in requests
        if one.variants
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(NOTE, [list(column) for column in zip(*rows, strict=True)])
