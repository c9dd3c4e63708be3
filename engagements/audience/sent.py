"""Who was sent an engagement, as a condition of segments' rules.

    {"sent": ENGAGEMENT_ID, "within_days": 30}      null: any engagement; ever

The other side accepted a delivery of it to the person, or to somebody who is part of
them. When deliveries are deleted, what is left of them counts (SentBefore): whom an
engagement sent to that sends once.
"""

from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import formats
from django.utils.timezone import localtime

from engagements.models import Engagement
from engagements.outbox import just_sent
from lemnisk_braze.lib.counted import counted
from segments.membership import evaluation
from segments.models import Profile
from segments.rules.kinds import Choice, Condition, Kind, Person, allow, offered
from segments.rules.operators import MAX_DAYS, check_days

MAX_ID = (1 << 63) - 1
# People who are asked at once.
MOST = 1_000
# Deliveries of a person, and what is left of others.
SIZE = 2
ACCEPTED = tuple(map(str, just_sent.ACCEPTED))


class WasSent(Kind):
    key = "sent"

    def validate(self, condition: Condition, where: str) -> None:
        allow(condition, {"sent", "within_days"}, where)
        id, days = condition["sent"], condition.get("within_days")
        is_whole = isinstance(id, int) and not isinstance(id, bool)
        if id is not None and not (is_whole and 0 < id <= MAX_ID):
            raise ValidationError(f"{where}: choose an Engagement, or any of them.")
        if days is not None and (problem := check_days(days)):
            raise ValidationError(
                f"{where}, within days: {problem}, or leave it empty."
            )

    def missing(self, condition: Condition) -> str:
        id = condition["sent"]
        is_there = id is None or Engagement.objects.filter(pk=id).exists()
        return "" if is_there else f"the Engagement {id}"

    def choices(self, named: Collection[Any] = ()) -> list[Choice]:
        rows = offered(Engagement.objects.all(), named).values_list("pk", "name")
        return [Choice(value=id, text=name) for id, name in rows]

    def schema(self) -> list[dict[str, Any]]:
        id = {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_ID}
        days = {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_DAYS}
        return [
            {
                "type": "object",
                "properties": {"sent": id, "within_days": days},
                "required": ["sent"],
                "additionalProperties": False,
            }
        ]

    def describe(self, condition: Condition) -> str:
        said = f"was sent {_called(condition['sent'])}"
        if days := condition.get("within_days"):
            said += f" in the last {counted(days, 'day')}"
        return said

    def describe_not(self, condition: Condition) -> str:
        return self.describe(condition).replace("was sent ", "was not sent ", 1)

    def sql(self, condition: Condition, person: Person) -> str:
        if person.is_few:
            names = NAMES.format(person=person.id)
            kept = _rows(condition, f"d.profile_id IN ({names})")
            left = _left(condition, f"s.profile_id IN ({names})")
            return person.shared(f"(EXISTS (SELECT {kept}) OR EXISTS (SELECT {left}))")
        return (
            f"({person.id} IN (SELECT coalesce(x.merged_into_id, x.id)"
            f" FROM segments_profile x WHERE x.id IN (SELECT d.profile_id"
            f" {_rows(condition)} UNION ALL SELECT s.profile_id {_left(condition)})))"
        )

    def size(self, condition: Condition) -> int:
        return SIZE

    def is_counted(self, condition: Condition) -> bool:
        """Its window moves on, and deliveries are deleted."""
        return True

    def shown(self, condition: Condition, person: Profile) -> str:
        names = NAMES.format(person=f"{person.pk:d}")
        kept = _rows(condition, f"d.profile_id IN ({names})")
        left = _left(condition, f"s.profile_id IN ({names})")
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT max(at) FROM (SELECT max(d.updated_at) {kept}"
                f" UNION ALL SELECT max(s.sent_at) {left}) x (at)"
            )
            (last,) = cursor.fetchone()
        if last is None:
            return "They were not."
        return f"They were, the last time on {formats.localize(localtime(last))}."


def follow() -> int:
    """Ask those who were just sent something by the rules that ask for that.

    In pieces with a transaction each, until nobody is left: a piece of the tick's work,
    and of each worker's after it has sent. Return how many people were asked.
    """
    count = 0
    if just_sent.is_asked():
        while people := _follow():
            count += people
    return count


def _follow() -> int:
    """One piece; 0 where nobody is left, or others have them in hand."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TAKE, [MOST])
        ids = [id for (id,) in cursor.fetchall()]
        if ids:
            cursor.execute(PEOPLE, [ids])
            people = [id for (id,) in cursor.fetchall()]
            cursor.execute(f"SELECT id FROM segments_segment WHERE {just_sent.ASKS}")
            asking = [id for (id,) in cursor.fetchall()]
            evaluation.ask(evaluation.lock_with_readers(asking), people)
    return len(ids)


def _called(id: int | None) -> str:
    if id is None:
        return "anything"
    name = Engagement.objects.filter(pk=id).values_list("name", flat=True).first()
    return f"“{name}”" if name else "an Engagement that was deleted"


def _rows(condition: Condition, who: str = "true") -> str:
    """SQL of the deliveries that count, `d`; `who` says whose."""
    parts = [who, f"d.state IN {ACCEPTED}"]
    if (id := condition["sent"]) is not None:
        runs = f"SELECT id FROM engagements_run WHERE engagement_id = {id:d}"
        parts.append(f"d.run_id IN ({runs})")
    parts += _since(condition, "d.updated_at")
    return f"FROM engagements_delivery d WHERE {' AND '.join(parts)}"


def _left(condition: Condition, who: str = "true") -> str:
    """SQL of what is left of deleted ones, `s`."""
    parts = [who]
    if (id := condition["sent"]) is not None:
        parts.append(f"s.engagement_id = {id:d}")
    parts += _since(condition, "s.sent_at")
    return f"FROM engagements_sentbefore s WHERE {' AND '.join(parts)}"


def _since(condition: Condition, at: str) -> list[str]:
    days = condition.get("within_days")
    since = f"statement_timestamp() - interval '{days} days'"
    return [f"{at} >= {since}"] if days else []


# Somebody by their own name, and by that of whoever was merged into them.
NAMES = """
SELECT {person} UNION ALL
SELECT x.id FROM segments_profile x WHERE x.merged_into_id = {person}
"""
TAKE = """
DELETE FROM engagements_justsent WHERE id = ANY(ARRAY(
    SELECT id FROM engagements_justsent ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
)) RETURNING profile_id
"""
PEOPLE = """
SELECT DISTINCT coalesce(merged_into_id, id) AS id FROM segments_profile
WHERE id = ANY(%s::bigint[]) ORDER BY id
"""
