"""What of one person goes to another when they become one.

The lists of post_users_merge and post_user_identify: what the person to keep has
already stays, what only the other has is added, and everything they did is together.
What the lists do not name goes with the other person: aliases, subscription groups and
subscription states, location.
"""

from collections.abc import Iterable

from externalapi.vendors.braze.sandbox.rules.times import parse_attribute_date
from externalapi.vendors.braze.sandbox.users.store import Store
from externalapi.vendors.braze.sandbox.users.users import User, phone_key

IDENTIFIED_FIELDS = (
    "first_name",
    "last_name",
    "email",
    "gender",
    "dob",
    "phone",
    "time_zone",
    "home_city",
    "country",
    "language",
)
# A merge moves devices too; for an identification the page does not name them.
MERGED_FIELDS = (*IDENTIFIED_FIELDS, "push_tokens")
_EARLIER, _LATER = "date_of_first_session", "date_of_last_session"


def merge(store: Store, gone: User, kept: User, fields: Iterable[str]) -> None:
    """Take what `kept` lacks from `gone`, and remove `gone`."""
    store.people.remove(gone)
    for name in fields:
        if name in gone.values and name not in kept.values:
            store.set_standard(kept, name, gone.values[name])
    _merge_sessions(gone, kept)
    for name, value in gone.custom.items():
        kept.values.setdefault(name, value)
    for event in gone.events:
        kept.add_event(event)
    for purchase in gone.purchases:
        kept.add_purchase(purchase)
    for send in gone.sends:
        kept.add_send(send)
    store.touch(kept)


def both_have_invalid_phones(first: User, second: User) -> bool:
    """Braze does not merge these and reports success (post_users_merge)."""
    phones = (first.phone, second.phone)
    return all(one is not None and phone_key(one) is None for one in phones)


def _merge_sessions(gone: User, kept: User) -> None:
    for name in (_EARLIER, _LATER):
        dates = [
            (moment, value)
            for value in (kept.values.get(name), gone.values.get(name))
            if (moment := parse_attribute_date(value)) is not None
        ]
        if dates:
            dates.sort(key=lambda one: one[0])
            kept.values[name] = dates[0 if name == _EARLIER else -1][1]
