"""Lists of objects, such as a person's loans: one object changes, the others stay. Pure.

As for Braze's nested custom attributes, a trait may say how its list changes:

    {"$remove": [{"$identifier_key": "id", "$identifier_value": 7}],
     "$update": [{"$identifier_key": "id", "$identifier_value": 7,
                  "$new_object": {"status": "paid"}}],
     "$add": [{"id": 8, "status": "open"}]}

One of the three is enough; where there are several they are done in this order, so that
removing and adding under one key replaces an object, whether it was there or not. An
update changes the fields that it names in each object that has the key's value, and null
takes a field away; it makes no object.

A list is what it was when it was last said whole, and the changes since then in order
of the times of their messages: so every order in which they come gives the same list.
Changes that a later one makes void are not kept: there is about one for each object
that was updated, and one for each that was removed.
https://www.braze.com/docs/user_guide/data/activation/custom_data/custom_attributes/array_of_objects/
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from segments.identity.limits import MAX_LIST_BYTES, TooMuchError
from segments.models import stored

# [µs since 1970, message ID, id of the source, number within its message], and what it
# does: ["add", object], ["update", key, value, fields] or ["remove", key, value].
Change: TypeAlias = list[Any]

ADD, UPDATE, REMOVE = "$add", "$update", "$remove"
OPERATIONS = frozenset((ADD, UPDATE, REMOVE))
KEY, VALUE, OBJECT = "$identifier_key", "$identifier_value", "$new_object"
_WHEN = 3
_DONE = 4
# Of a stamp with changes: what was said last, nothing typed, [base, its stamp], changes.
_STAMP_LENGTH = 6


def is_change(value: object) -> bool:
    """Whether a trait says how a list changes, and not what it is."""
    return type(value) is dict and not OPERATIONS.isdisjoint(value)


def check(name: str, value: Mapping[str, Any]) -> None:
    """Raise ValueError, with the field's name, for a change that says too little."""
    if unknown := sorted(value.keys() - OPERATIONS):
        raise ValueError(
            f"{name}: beside {ADD}, {UPDATE} and {REMOVE} there is no “{unknown[0]}”."
        )
    for operation, items in value.items():
        if not isinstance(items, list) or not items:
            raise ValueError(f"{name}.{operation} is a list of objects.")
        for number, item in enumerate(items):
            where = f"{name}.{operation}[{number}]"
            if not isinstance(item, dict):
                raise ValueError(f"{where} is an object.")
            if operation != ADD:
                _check_item(where, operation, item)
    if len(_keys(_read(value, [0, "", 0]))) > 1:
        raise ValueError(f"{name}: all changes of a list have the same {KEY}.")


def _check_item(where: str, operation: str, item: Mapping[str, Any]) -> None:
    key, value = item.get(KEY), item.get(VALUE)
    if not isinstance(key, str) or not key:
        raise ValueError(f"{where}.{KEY} is the name of a field.")
    if not isinstance(value, str | int | float):
        raise ValueError(f"{where}.{VALUE} is a text, a number, true or false.")
    fields = item.get(OBJECT) if operation == UPDATE else {"": None}
    if not isinstance(fields, dict) or not fields:
        raise ValueError(f"{where}.{OBJECT} is an object of the fields that change.")
    if key in fields:
        raise ValueError(f"{where}.{OBJECT} does not change the key itself.")


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A list as it was last said whole, when that was, and the changes since, in order.

    `said`: [µs since 1970, message ID, id of the source]; None where nobody knows.
    """

    base: Any = None
    said: list[Any] | None = None
    changes: tuple[Change, ...] = ()

    @classmethod
    def of(cls, value: Any, stamp: list[Any] | None) -> "History":
        """What a value and its stamp say (segments.identity.values)."""
        if stamp is None or len(stamp) < _STAMP_LENGTH:
            return cls(base=value, said=stamp)
        (base, said), changes = stamp[_STAMP_LENGTH - 2 :]
        return cls(base=base, said=said, changes=tuple(changes))

    @property
    def stamp(self) -> list[Any] | None:
        """To be kept beside the value; its beginning is the newest of all."""
        if not self.changes:
            return self.said
        newest = self.changes[-1][:_WHEN]
        return [*newest, None, [self.base, self.said], list(self.changes)]

    @property
    def value(self) -> Any:
        """What the list is after all changes; (P) what is no list counts as an empty one."""
        if not self.changes:
            return self.base
        found = list(self.base) if isinstance(self.base, list) else []
        for change in self.changes:
            found = _after(found, change[_DONE:])
        return found

    @property
    def size(self) -> int:
        """In bytes, about what is kept beside the value."""
        return len(stored.write(self.stamp).encode()) if self.changes else 0

    @property
    def _weight(self) -> int:
        both = (self.value, self.changes)
        return max(len(stored.write(each).encode()) for each in both)

    def changed(
        self, name: str, value: Mapping[str, Any], when: list[Any]
    ) -> "History":
        """It with what a message says; raises ValueError and TooMuchError."""
        check(name, value)
        changes = _read(value, when[:_WHEN])
        keys = _keys(changes)
        if others := _keys(self.changes) - keys if keys else ():
            # By two keys it would make a difference which change comes first.
            raise ValueError(
                f"{name}: its objects are known by “{min(others)}”. Send the whole list"
                " to have them known by another key."
            )
        after = self.joined(History(changes=tuple(changes)))
        size = after._weight
        # Who has too much already may have less.
        if size > max(MAX_LIST_BYTES, self._weight if self.changes else 0):
            raise TooMuchError(
                f"A list that is changed has at most {MAX_LIST_BYTES >> 10} KB; with"
                f" its last changes “{name}” would have {-(-size >> 10):,} KB. Send the"
                " whole list: it takes the place of its changes."
            )
        return after

    def joined(self, other: "History") -> "History":
        """Both together: what was said whole last, and all changes since then."""
        newer = other if (other.said or []) > (self.said or []) else self
        if newer.said is None and self.base is None:
            newer = other
        changes = {
            tuple(change[:_DONE]): change for change in (*self.changes, *other.changes)
        }
        since = [
            changes[when]
            for when in sorted(changes)
            if list(when[:_WHEN]) > (newer.said or [])[:_WHEN]
        ]
        return History(base=newer.base, said=newer.said, changes=_without_void(since))


def _read(value: Mapping[str, Any], when: list[Any]) -> list[Change]:
    done: list[list[Any]] = [
        ["remove", item[KEY], item[VALUE]] for item in value.get(REMOVE, ())
    ]
    done += (
        ["update", item[KEY], item[VALUE], item[OBJECT]]
        for item in value.get(UPDATE, ())
    )
    done += (["add", item] for item in value.get(ADD, ()))
    return [[*when, number, *what] for number, what in enumerate(done)]


def _keys(changes: Iterable[Change]) -> set[str]:
    return {change[_DONE + 1] for change in changes if change[_DONE] != "add"}


def _without_void(changes: list[Change]) -> tuple[Change, ...]:
    """Leave out what makes no difference any more, whatever is said of before."""
    kept: list[Change] = []
    updated: dict[tuple[str, str], set[str]] = defaultdict(set)
    removed: dict[str, set[str]] = defaultdict(set)
    for change in reversed(changes):
        when, (kind, *what) = change[:_DONE], change[_DONE:]
        if kind == "add":
            (item,) = what
            if any(_id(item.get(key)) in ids for key, ids in removed.items()):
                continue
        elif _id(what[1]) in removed[what[0]]:
            continue
        elif kind == "remove":
            removed[what[0]].add(_id(what[1]))
        else:
            key, value, fields = what
            later = updated[key, _id(value)]
            left = {name: fields[name] for name in fields if name not in later}
            if not left:
                continue
            later.update(fields)
            change = [*when, kind, key, value, left]  # noqa: PLW2901
        kept.append(change)
    return tuple(reversed(kept))


def _after(items: list[Any], done: list[Any]) -> list[Any]:
    kind, *what = done
    if kind == "add":
        return [*items, what[0]]
    key, id_ = what[0], _id(what[1])
    if kind == "remove":
        return [item for item in items if not _has(item, key, id_)]
    fields = what[2]
    return [_updated(item, fields) if _has(item, key, id_) else item for item in items]


def _updated(item: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    return {
        n: v for n, v in {**item, **fields}.items() if v is not None or n not in fields
    }


def _has(item: object, key: str, id_: str) -> bool:
    return isinstance(item, dict) and key in item and _id(item[key]) == id_


def _id(value: Any) -> str:
    """A key's value as it is compared: 7 and 7.0 are one, 7 and "7" are not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return stored.write(value)
