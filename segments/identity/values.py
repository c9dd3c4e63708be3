"""What is known of a person, attribute by attribute: the newest value stays. Pure.

Newest is by the time of what was said, not of its arrival; between equal times the
larger message ID wins. Taking in and joining give the same whatever comes first, and
twice is once: so every order of the same calls ends in the same values. That something
was taken away is kept, with its time, as a value is.

`times` has a stamp for each name, but for those whose stamp is that of "": most of a
person's attributes come with one call. A name without any stamp was said before anybody
wrote that down, and every other value is newer. A list that was changed object by
object keeps its changes in its stamp (segments.identity.lists).
"""

from collections import Counter
from typing import Any, TypeAlias

from segments.identity import limits, lists
from segments.identity.limits import TooMuchError
from segments.identity.lists import History
from segments.models import stored

# [µs since 1970, message ID, id of the source], and what was typed where that is not
# what is kept.
Stamp: TypeAlias = list[Any]

LENGTH = 3
LONG_AGO: Stamp = [0, "", 0]
REST = ""
_PLAIN = (str, int, bool)


class Values:
    """A person's attributes, `email` and `phone` among them, with their stamps."""

    __slots__ = ("changed", "data", "is_stamped", "size", "times")

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        times: dict[str, Stamp] | None = None,
        size: int = 0,
    ) -> None:
        """`size`: the attributes have at most so many bytes."""
        self.data = {} if data is None else data
        self.times = {} if times is None else times
        self.size = size
        # The names whose values are others than before; whether a stamp is.
        self.changed: set[str] = set()
        self.is_stamped = False

    def copy(self) -> "Values":
        return Values(dict(self.data), dict(self.times), self.size)

    def stamp(self, name: str) -> Stamp | None:
        """When and where the value was said, or taken away; None where nobody knows."""
        found = self.times.get(name)
        return self.times.get(REST) if found is None and name in self.data else found

    def names(self) -> set[str]:
        """Of all that is there or was taken away."""
        return {*self.data, *self.times} - {REST}

    def learn(
        self, said: dict[str, Any], stamp: Stamp, size: int, raw: dict[str, str]
    ) -> None:
        """Take in what a message said; None takes away.

        `raw`: what was typed, by name, where it is kept in another form. `size`: it has
        at most so many bytes. Raises TooMuchError, and ValueError for a change of a
        list that is none, having taken in nothing.
        """
        changed = {
            name: self._history(name).changed(name, value, stamp)
            for name, value in said.items()
            if type(value) is dict and lists.is_change(value)
        }
        if changed:
            said = said | {name: history.value for name, history in changed.items()}
            size += sum(history.size for history in changed.values())
        self._make_room(said, size, changed)
        if not changed and not self.data and not self.times:
            self._begin(said, stamp, raw)
            return
        if not (changed or raw) and self._is_all_newer(said, stamp):
            self._replace(said, stamp)
            return
        for name, value in said.items():
            if name in changed:
                self._show(name, changed[name])
            else:
                self._put(name, value, [*stamp, raw[name]] if name in raw else stamp)

    def join(self, other: "Values") -> None:
        """Take in all that the other knows; raises TooMuchError as `learn` does."""
        self._make_room(other.data, other.size)
        for name in other.names():
            self._put(name, other.data.get(name), other.stamp(name))

    def join_known(self, other: "Values") -> None:
        """The same for those names alone that are known here, e-mail and phone."""
        for name in other.names() & {*self.data, "email", "phone"}:
            self._put(name, other.data.get(name), other.stamp(name))

    def _history(self, name: str) -> History:
        return History.of(self.data.get(name), self.stamp(name))

    def tidy(self) -> None:
        """Write stamps shorter: the most common one is that of the rest."""
        times, data = self.times, self.data
        if len(times) < 2:
            return
        named = [stamp for name in data if (stamp := times.get(name))]
        if len(named) > len(data) - len(named):
            short = Counter(stamp[1] for stamp in named if len(stamp) == LENGTH)
            message_id, count = short.most_common(1)[0] if short else ("", 0)
            if count > len(data) - len(named):
                self._rest_upon(message_id)
        gone = [n for n in times if n not in data and n != REST]
        if len(gone) > limits.MAX_GONE:
            for name in sorted(gone, key=times.__getitem__)[: -limits.MAX_GONE]:
                del times[name]

    def _rest_upon(self, message_id: str) -> None:
        rest, times = self.times.get(REST), self.times
        chosen = next(
            stamp
            for name in self.data
            if (stamp := times.get(name))
            and stamp[1] == message_id
            and len(stamp) == LENGTH
        )
        if rest is None and any(name not in times for name in self.data):
            return
        for name in self.data:
            if name not in times:
                times[name] = rest or LONG_AGO
            elif times[name] == chosen:
                del times[name]
        times[REST] = chosen

    def _put(self, name: str, value: Any, stamp: Stamp | None) -> None:
        data, old = self.data, self.stamp(name)
        if is_changed_list(old) or is_changed_list(stamp):
            self._show(name, self._history(name).joined(History.of(value, stamp)))
            return
        if (stamp or []) <= (old or []) and (old is not None or name in data):
            return
        self._set(name, value, stamp)

    def _show(self, name: str, history: History) -> None:
        if history != self._history(name):
            self._set(name, history.value, history.stamp)

    def _set(self, name: str, value: Any, stamp: Stamp | None) -> None:
        data = self.data
        if stamp is not None or REST in self.times:
            self.times[name] = stamp or LONG_AGO
            self.is_stamped = True
        if value is None:
            if data.pop(name, None) is not None:
                self.changed.add(name)
        elif not is_same(data.get(name), value):
            data[name] = value
            self.changed.add(name)

    def _begin(self, said: dict[str, Any], stamp: Stamp, raw: dict[str, str]) -> None:
        """Take in the first that is said of somebody: all of it, with one stamp."""
        self.data = {name: v for name, v in said.items() if v is not None}
        self.times = {name: [*stamp, typed] for name, typed in raw.items()}
        for name in said.keys() - self.data.keys() - raw.keys():
            self.times[name] = stamp
        if self.data.keys() - raw.keys():
            self.times[REST] = stamp
        self.is_stamped |= bool(self.times)
        self.changed |= self.data.keys()

    def _is_all_newer(self, said: dict[str, Any], stamp: Stamp) -> bool:
        """Whether each name there is, none with a stamp of its own, is said anew."""
        rest = self.times.get(REST)
        return (
            rest is not None
            and len(self.times) == 1
            and stamp > rest
            and self.data.keys() <= said.keys()
            and None not in said.values()
        )

    def _replace(self, said: dict[str, Any], stamp: Stamp) -> None:
        """What comes of putting each of them, and tidying up: one stamp for all."""
        old = self.data
        self.changed |= said.keys() - old.keys()
        self.changed.update(
            name for name, value in old.items() if not is_same(value, said[name])
        )
        self.data, self.times = dict(said), {REST: stamp}
        self.is_stamped = True

    def _make_room(
        self, said: dict[str, Any], size: int, changed: dict[str, History] | None = None
    ) -> None:
        most = len(self.data) + len(said)
        if most <= limits.MAX_ATTRIBUTES and self.size + size <= limits.MAX_BYTES:
            self.size += size
            return
        lists_now = {
            name: self._history(name)
            for name, stamp in self.times.items()
            if is_changed_list(stamp)
        }
        old = _attributes(self.data)
        new = _attributes({**self.data, **said})
        new_size = _size(new, {**lists_now, **(changed or {})})
        # Who has too much already may change it, and have less.
        if len(new) > max(limits.MAX_ATTRIBUTES, len(self.data)):
            raise TooMuchError(
                f"A person has at most {limits.MAX_ATTRIBUTES:,} attributes; "
                f"with these it would be {len(new):,}."
            )
        if new_size > limits.MAX_BYTES and new_size > _size(old, lists_now):
            raise TooMuchError(
                f"A person’s attributes have at most {limits.MAX_BYTES >> 10} KB; "
                f"with these it would be {new_size >> 10:,} KB."
            )
        self.size = new_size


def is_changed_list(stamp: Stamp | None) -> bool:
    return stamp is not None and len(stamp) > LENGTH + 1


def _size(data: dict[str, Any], changed: dict[str, History]) -> int:
    changes = sum(history.size for history in changed.values())
    return len(stored.write(data).encode()) + changes


def is_same(old: object, new: object) -> bool:
    """Equality of JSON values: Python's 1 == True is not one of them."""
    if old.__class__ is new.__class__ and old.__class__ in _PLAIN:
        return old == new
    return old == new and stored.write(old) == stored.write(new)


def _attributes(data: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in data.items()
        if value is not None and name not in ("email", "phone")
    }
