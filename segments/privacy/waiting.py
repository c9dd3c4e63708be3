"""Messages that wait in the inbox and are about somebody who was just erased.

Applying would refuse them. They go before, so that the inbox does not hold them for as
long as they wait.
"""

from typing import Any

import orjson
from django.db import connection, transaction

from segments.identity import tombstones
from segments.identity.calls import Call, Key, Rules, read
from segments.ingest import inbox
from segments.models import InboxRequest
from segments.privacy.naming import Named

MAY_BE = """
SELECT id FROM segments_inboxrequest
WHERE encode(body, 'escape') ILIKE ANY(%s::text[]) ORDER BY id
"""


def forget(named: Named) -> int:
    """Take their messages out of the inbox; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(MAY_BE, [named.likes])
        ids = [id for (id,) in cursor.fetchall()]
    return sum(map(_forget_of, ids))


@transaction.atomic
def _forget_of(request_id: int) -> int:
    with connection.cursor() as cursor:
        # Nobody applies it meanwhile.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [inbox.LOCK])
    request = InboxRequest.objects.filter(pk=request_id).first()
    if request is None:
        return 0
    try:
        messages = request.waiting
    except ValueError:
        # Nobody can read it: applying says so, and keeps it as a refused message.
        return 0
    rules = Rules.from_settings()
    calls = [_call(message, rules) for message in messages]
    keys: dict[Key, None] = {}
    for call in calls:
        if call:
            keys |= dict.fromkeys([call.subject, *call.others])
    erased = tombstones.find(keys)
    kept = [
        message
        for message, call in zip(messages, calls, strict=True)
        if not (call and tombstones.keeps_out(erased, call, message[2]))
    ]
    gone = len(messages) - len(kept)
    if not kept:
        request.delete()
    elif gone or request.done:
        # What is applied of it goes as well.
        InboxRequest.objects.filter(pk=request.pk).update(
            body=orjson.dumps(kept), count=len(kept), done=0
        )
    return gone


def _call(message: list[Any], rules: Rules) -> Call | None:
    try:
        _, kind, payload = message
        return read(kind, payload, rules)
    except (ValueError, TypeError, KeyError, AttributeError):
        # Applying says what is wrong with it.
        return None
