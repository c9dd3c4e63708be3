"""What accepted objects make of the people.

Pure: the time comes in. In one request Braze works off attributes, then events, then
purchases (api_limits), and every event is one more event, also a repeated one.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.sandbox.rules.catalogs import empty_copy
from externalapi.vendors.braze.sandbox.rules.registry import Known
from externalapi.vendors.braze.sandbox.rules.times import parse_time
from externalapi.vendors.braze.sandbox.rules.verdicts import Arrays, JsonObject
from externalapi.vendors.braze.sandbox.users import custom_attributes
from externalapi.vendors.braze.sandbox.users.orphan_subscriptions import Orphans
from externalapi.vendors.braze.sandbox.users.standard_attributes import (
    IGNORED,
    standard_value,
)
from externalapi.vendors.braze.sandbox.users.users import (
    STANDARD,
    Event,
    People,
    Purchase,
    User,
    email_key,
    phone_key,
)

# The global state of an address waits for its person like those of groups.
EMAIL_STATE = "email_subscribe"
_NOT_ATTRIBUTES = frozenset({*contract.PRIMARY_IDENTIFIERS, *contract.CONTROL_FLAGS})


class _NestedUpdate(NamedTuple):
    user: User
    name: str
    value: object
    merge: bool


class Store:
    def __init__(self, known: Known | None = None) -> None:
        self.known = known or Known()
        self.people = People()
        self.orphans = Orphans()
        self.catalogs = {
            name: empty_copy(one) for name, one in self.known.catalogs.items()
        }
        self.events = 0
        self.purchases = 0
        self._changes = 0
        # When the request arrived that is being applied.
        self.now = datetime.min.replace(tzinfo=UTC)

    def apply(self, accepted: Arrays, at: datetime) -> None:
        """Apply the accepted objects of one request that arrived at that time."""
        self.now = at
        nested: list[_NestedUpdate] = []
        for item in accepted.get("attributes", ()):
            user = self._user_for(item, at)
            if user is not None:
                self._set_attributes(user, item, nested)
        _apply_nested(nested)
        for item in accepted.get("events", ()):
            user = self._user_for(item, at)
            if user is not None:
                self._add_event(user, item, at)
        for item in accepted.get("purchases", ()):
            user = self._user_for(item, at)
            if user is not None:
                self._add_purchase(user, item, at)

    # --- Whose object it is ---------------------------------------------------------

    def _user_for(self, item: JsonObject, at: datetime) -> User | None:
        """The person the object names, created if need be; None: nobody is changed."""
        user = self.people.find(item) or self._new_user_for(item, at)
        if user is not None:
            self.touch(user)
        return user

    def touch(self, user: User) -> None:
        """The person is now the one who changed last."""
        self._changes += 1
        user.touched = self._changes

    def _new_user_for(self, item: JsonObject, at: datetime) -> User | None:
        update_only = item.get("_update_existing_only")
        external_id, alias = item.get("external_id"), item.get("user_alias")
        if update_only is True:
            return None
        if external_id is not None and external_id != "":
            return self.people.created(at, str(external_id))
        if isinstance(alias, dict):
            # With an alias, update only is the default (post_user_track).
            if update_only is not False:
                return None
            label, name = str(alias["alias_label"]), str(alias["alias_name"])
            return self.people.with_alias(label, name, at)
        # Braze gives these ids itself, so an unknown one creates nobody.
        if item.get("braze_id") is not None:
            return None
        return self._new_user_with_address(item, at)

    def _new_user_with_address(self, item: JsonObject, at: datetime) -> User | None:
        """With an email, or with a valid number; that others are lost is inferred."""
        if email_key(item.get("email")) is not None:
            name = "email"
        elif phone_key(item.get("phone")) is not None:
            name = "phone"
        else:
            return None
        user = self.people.created(at)
        self.set_standard(user, name, item[name])
        return user

    # --- Attributes -----------------------------------------------------------------

    def _set_attributes(
        self, user: User, item: JsonObject, nested: list[_NestedUpdate]
    ) -> None:
        values = user.values
        for raw_name, value in item.items():
            if raw_name in _NOT_ATTRIBUTES:
                continue
            if raw_name in STANDARD:
                self.set_standard(user, raw_name, value)
                continue
            name = raw_name.strip()
            if not 0 < len(name) <= contract.MAX_NAME_CHARS:
                continue
            if isinstance(value, str):
                if len(value) <= contract.MAX_STRING_CHARS:
                    values[name] = value
            elif isinstance(value, (int, float)):
                values[name] = value
            elif value is None:
                values.pop(name, None)
            elif custom_attributes.is_nested(value):
                merge = item.get("_merge_objects") is True
                nested.append(_NestedUpdate(user, name, value, merge))
            else:
                old = values.get(name, custom_attributes.MISSING)
                _keep(user, name, custom_attributes.plain_value(old, value))

    def set_standard(self, user: User, name: str, sent: object) -> None:
        value = standard_value(name, sent)
        if value is IGNORED:
            return
        if name == "email":
            old = email_key(user.email)
            self.people.by_email.move(old, email_key(value), user)
        elif name == "phone":
            old = phone_key(user.phone)
            self.people.by_phone.move(old, phone_key(value), user)
        elif name == "subscription_groups":
            value = _merged_groups(user.values.get(name), value)
        if value is None:
            user.values.pop(name, None)
        else:
            user.values[name] = value
        if self.orphans and name in ("email", "phone"):
            self._inherit(user, name)

    def _inherit(self, user: User, name: str) -> None:
        """The states that were set for the address before somebody had it."""
        key = email_key(user.email) if name == "email" else phone_key(user.phone)
        for group_id, state in self.orphans.taken(name, key, self.now).items():
            if group_id == EMAIL_STATE:
                self.set_standard(user, EMAIL_STATE, state)
            else:
                self.set_group_state(user, group_id, state)

    def set_group_state(self, user: User, group_id: str, state: str) -> None:
        new = [{"subscription_group_id": group_id, "subscription_state": state}]
        self.set_standard(user, "subscription_groups", new)

    # --- Events and purchases -------------------------------------------------------

    def _add_event(self, user: User, item: JsonObject, at: datetime) -> None:
        event = Event(
            str(item["name"]),
            _time_of(item, at),
            _properties_of(item),
            item.get("app_id"),
        )
        user.add_event(event)
        self.events += 1

    def _add_purchase(self, user: User, item: JsonObject, at: datetime) -> None:
        price, quantity = item["price"], item.get("quantity")
        purchase = Purchase(
            product_id=str(item["product_id"]),
            time=_time_of(item, at),
            currency=str(item["currency"]),
            price=float(price) if isinstance(price, (int, float)) else 0.0,
            quantity=quantity if isinstance(quantity, int) else 1,
            properties=_properties_of(item),
        )
        user.add_purchase(purchase)
        self.purchases += 1


def _time_of(item: JsonObject, at: datetime) -> datetime:
    """A time in the future becomes the time of arrival, without an error."""
    moment = parse_time(item["time"])
    return at if moment is None or moment > at else moment


def _properties_of(item: JsonObject) -> JsonObject | None:
    """Without the strings that are too long; that these are dropped is inferred."""
    properties = item.get("properties")
    if not isinstance(properties, dict):
        return None
    for value in properties.values():
        if isinstance(value, str) and len(value) > contract.MAX_STRING_CHARS:
            return {
                key: one for key, one in properties.items() if not _is_too_long(one)
            }
    return properties


def _is_too_long(value: object) -> bool:
    return isinstance(value, str) and len(value) > contract.MAX_STRING_CHARS


def _apply_nested(updates: list[_NestedUpdate]) -> None:
    """All nested updates of one request, or none when one of them is not valid."""
    if not all(custom_attributes.is_valid_update(update.value) for update in updates):
        return
    for user, name, value, merge in updates:
        old = user.values.get(name, custom_attributes.MISSING)
        _keep(user, name, custom_attributes.nested_value(old, value, merge=merge))


def _keep(user: User, name: str, value: object) -> None:
    if value is not custom_attributes.MISSING:
        user.values[name] = value


def _merged_groups(old: object, new: object) -> object:
    """The newest state of each group the person was ever put in."""
    groups = [*old, *new] if isinstance(old, list) and isinstance(new, list) else new
    if not isinstance(groups, list):
        return groups
    return list({one["subscription_group_id"]: one for one in groups}.values())
