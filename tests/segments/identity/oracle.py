"""What docs/identity.md says, read off a set of calls: slowly, and without any order.

Nothing here knows of rows, chunks or what was there before: all calls that there ever
were are looked at together.
"""

import json
from collections import defaultdict
from dataclasses import dataclass

JOINS = ("anonymous_id", "user_alias", "braze_id", "*", "email", "phone")
OURS = {*JOINS, "external_id", "placeholder"}
PLACEHOLDERS = {"undefined", "null", "0", "anonymous", "[object object]"}


@dataclass(frozen=True)
class Person:
    """Known by what, told what, and which events are theirs, by message ID."""

    parts: frozenset[tuple[str, str]]
    external_id: str | None
    attributes: tuple[tuple[str, str], ...]
    events: frozenset[str]


def people(messages):
    """The people whom these messages make: {type, messageId, userId, …}, as sent."""
    calls = [(message, *names(message)) for message in messages]
    parts = {subject for _, subject, _ in calls}
    said = defaultdict(set)
    for _, subject, others in calls:
        if subject[0] not in ("placeholder", "external_id"):
            said[subject].add(subject)
        if subject[0] != "placeholder":
            for key in others:
                said[key].add(subject)
    known = known_people(calls, parts)
    groups = [{part} for part in parts if part not in known]
    settled = set()
    for level in JOINS:
        keys = [key for key in said if level_of(key) == level]
        join(groups, known, settled, {key: said[key] for key in keys})
    owners = dict(known)
    for group in groups:
        name = min(group)
        owners |= {part: owners.get(part, name) for part in group}
    return {person(owner, owners, calls) for owner in set(owners.values())}


def names(message):
    """(whose call it is, what else was said of them)."""
    traits = message.get("traits") or {}
    found = []
    if message.get("userId"):
        found.append(("external_id", message["userId"]))
    if message.get("anonymousId"):
        found.append(("anonymous_id", message["anonymousId"]))
    found += [tuple(pair) for pair in message.get("ids", [])]
    empty = [value for _, value in found if is_placeholder(value)]
    found = [key for key in found if not is_placeholder(key[1])]
    if traits.get("email"):
        found.append(("email", traits["email"].strip().lower()))
    if traits.get("phone"):
        found.append(("phone", traits["phone"].replace(" ", "")))
    if not found:
        return ("placeholder", empty[-1].strip().lower()), []
    subject, *others = found
    previous = message.get("previousId")
    if previous in (None, subject[1]) or is_placeholder(previous):
        previous = None
    if subject[0] == "external_id" and previous:
        others += [("anonymous_id", previous)]
    return subject, [key for key in others if key != subject]


def is_placeholder(value):
    return value.strip().lower() in PLACEHOLDERS


def level_of(key):
    kind, value = key
    if kind == "email" and "@" not in value:
        return None
    return kind if kind in OURS else "*"


def known_people(calls, parts):
    """Known part → the part that they are called by: whom the newest alias names."""
    known = {part: {part} for part in parts if part[0] == "external_id"}
    newest = {}
    for message, subject, _ in calls:
        old = ("external_id", message.get("previousId"))
        if (
            message["type"] != "alias"
            or subject not in known
            or old == subject
            or old not in known
        ):
            continue
        together = known[old] | known[subject]
        for part in together:
            known[part] = together
        when = (message["timestamp"], message["messageId"])
        newest[subject] = max(newest.get(subject, when), when)
    return {
        part: max(together, key=lambda one: (newest.get(one, ("", "")), one))
        for part, together in known.items()
    }


def join(groups, known, settled, said):
    """Join what is left of the groups, by what was said at one level of trust.

    `known`: part → the known person whose it is. `settled`: groups that are nobody's.
    """
    while True:
        found = {}
        for number, group in enumerate(groups):
            if frozenset(group) in settled or group & known.keys():
                continue
            candidates = {
                known[other]
                for sayers in said.values()
                if sayers & group
                for other in sayers
                if other in known
            }
            if candidates:
                found[number] = candidates
        for number, candidates in found.items():
            if len(candidates) > 1:
                settled.add(frozenset(groups[number]))
        joined = {n: one for n, one in found.items() if len(one) == 1}
        for number, (owner,) in joined.items():
            known |= dict.fromkeys(groups[number], owner)
        if not joined:
            break
    for sayers in said.values():
        free = [
            group
            for group in groups
            if group & sayers
            and not group & known.keys()
            and frozenset(group) not in settled
        ]
        if len(free) > 1:
            for group in free:
                groups.remove(group)
            groups.append(set().union(*free))


def person(owner, owners, calls):
    parts = {part for part, one in owners.items() if one == owner}
    told = {}
    events = set()
    for message, subject, _ in calls:
        if subject not in parts:
            continue
        if message["type"] == "track":
            events.add(message["messageId"])
        if subject[0] == "placeholder":
            continue
        for name, value in (message.get("traits") or {}).items():
            when = (message["timestamp"], message["messageId"])
            told.setdefault(name, []).append((when, value))
    attributes = {name: last(sorted(said, key=first)) for name, said in told.items()}
    if attributes.get("email"):
        attributes["email"] = attributes["email"].strip().lower()
    if attributes.get("phone"):
        attributes["phone"] = attributes["phone"].replace(" ", "")
    is_known = owner[0] == "external_id"
    return Person(
        parts=frozenset(parts),
        external_id=owner[1] if is_known else None,
        attributes=tuple(
            sorted((name, text(v)) for name, v in attributes.items() if v is not None)
        ),
        events=frozenset(events),
    )


def text(value):
    """A JSON value, whose names have no order."""
    return json.dumps(value, sort_keys=True)


def first(pair):
    return pair[0]


def last(said):
    """The value after all that was said, in order of time."""
    value = None
    for _, one in said:
        value = changed(value, one) if is_change(one) else one
    return value


def is_change(value):
    return isinstance(value, dict) and "$" in next(iter(value), "")


def changed(items, change):
    """The list after a change: Braze's words for it (docs/identity.md)."""
    items = list(items) if isinstance(items, list) else []
    for key in change.get("$remove", ()):
        items = [one for one in items if not has(one, key)]
    for key in change.get("$update", ()):
        for number, one in enumerate(items):
            if has(one, key):
                fields = {**one, **key["$new_object"]}
                void = {name for name in key["$new_object"] if fields[name] is None}
                items[number] = {n: v for n, v in fields.items() if n not in void}
    return items + change.get("$add", [])


def has(item, key):
    value = item.get(key["$identifier_key"]) if isinstance(item, dict) else None
    return value is not None and repr(value) == repr(key["$identifier_value"])
