"""What columns most likely mean, by what they are called and by what is in them."""

import re
from collections.abc import Iterable, Mapping, Sequence

from lemnisk_braze.lib.names import visible
from segments.imports.mapping import columns as cells
from segments.imports.mapping import messages
from segments.imports.mapping.columns import Column
from segments.imports.mapping.messages import ColumnUse

# By a name in lower case without what separates words; the first that is there counts.
_CALLED: Mapping[str, tuple[str, ...]] = {
    messages.EXTERNAL_ID: (
        "externalid",
        "userid",
        "customerid",
        "memberid",
        "contactid",
        "personid",
        "uid",
        "id",
    ),
    messages.ANONYMOUS_ID: ("anonymousid", "anonid"),
    messages.EMAIL: ("email", "emailaddress", "mail"),
    messages.PHONE: (
        "phone",
        "phonenumber",
        "mobile",
        "mobilephone",
        "mobilenumber",
        "telephone",
    ),
    messages.EVENT: ("event", "eventname"),
    messages.TIME: ("timestamp", "time", "eventtime", "occurredat"),
    messages.MESSAGE_ID: ("messageid", "eventid"),
}


def suggest(
    columns: Sequence[Column], is_typed: bool, makes: str, known: Iterable[str] = ()
) -> tuple[ColumnUse, ...]:
    """A use for each column; what nobody filled in, or has no name, is left out.

    `known`: names that came before, the most frequent first. A column that is called
    like one, but for how its words are written, is that.
    """
    written = {_plain(name): name for name in reversed(list(known))}
    special = _special(columns, makes)
    named = messages.PROPERTY if makes == messages.EVENTS else messages.ATTRIBUTE
    uses = []
    for index, column in enumerate(columns):
        type = cells.guess(column, is_typed).type
        name = attribute_name(column.name)
        name = written.get(_plain(name), name)
        if index in special:
            uses.append(ColumnUse(to=special[index], type=type))
        elif column.filled and name:
            uses.append(ColumnUse(to=named, name=name, type=type))
        else:
            uses.append(ColumnUse(type=type))
    return tuple(uses)


def is_called(target: str, header: str) -> bool:
    """Whether a column with this header most likely has these identifiers."""
    return _plain(header) in (*_CALLED.get(target, ()), _plain(target))


def attribute_name(header: str) -> str:
    """`First Name` is first_name; a header that is one word stays as it is."""
    words = visible(header).split()
    return words[0] if len(words) == 1 else "_".join(words).lower()


def _plain(name: str) -> str:
    """Without what separates words: First Name, first_name and firstName are one."""
    return re.sub(r"[\s._-]", "", visible(name).lower())


def _special(columns: Sequence[Column], makes: str) -> dict[int, str]:
    called = {}
    for index, column in reversed(list(enumerate(columns))):
        called[_plain(column.name)] = index
    found: dict[int, str] = {}
    for target, names in _CALLED.items():
        # What happens at a time has one; what somebody is may be a date of its own.
        if target not in messages.TARGETS[makes] or (
            target == messages.TIME and makes == messages.PEOPLE
        ):
            continue
        for name in names:
            if name in called:
                found.setdefault(called[name], target)
                break
    return found
