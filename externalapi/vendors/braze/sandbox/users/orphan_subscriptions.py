"""Subscription states of addresses and numbers that nobody has yet.

post_update_user_subscription_group_status_v2, "orphaned subscription states": kept for
30 days, and the first person with the address gets them. That this is also so for a
person who existed before is inferred.
"""

from datetime import datetime, timedelta

_KEPT = timedelta(days=30)


class Orphans:
    def __init__(self) -> None:
        # Kind (email, phone) and key of the address → group → state and its moment.
        self._states: dict[tuple[str, str], dict[str, tuple[str, datetime]]] = {}

    def __bool__(self) -> bool:
        return bool(self._states)

    def keep(
        self, address: tuple[str, str], group_id: str, state: str, at: datetime
    ) -> None:
        self._states.setdefault(address, {})[group_id] = (state, at)

    def taken(self, kind: str, key: str | None, now: datetime) -> dict[str, str]:
        """The state of each group, and they are no orphans any more."""
        states = self._states.pop((kind, key), {}) if key is not None else {}
        return {
            group_id: state
            for group_id, (state, at) in states.items()
            if now - at <= _KEPT
        }
