"""What one rule says and another does not: condition by condition, in sentences.

The order of conditions in a group, and of values in a list, means nothing and makes no
difference; nor does the noise of a float (0.1 + 0.2 is 0.3).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.text import capfirst

from segments.membership.explaining import GROUPS, NOT
from segments.rules import tree

Mark = Literal["same", "added", "removed", "changed"]
Rule = dict[str, Any]
# What a condition is about: two of the same are one that was changed.
SUBJECTS = (
    ("attribute", "items"),
    ("attribute",),
    ("event",),
    ("segment",),
    ("list",),
    ("sent",),
    ("sequence",),
    ("share",),
)
UNORDERED = ("all", "any", "where", "value")
# So many digits of a float are its own.
DIGITS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A condition, or the words above a group; `before` is what was changed.

    `depth` is that of the groups around it, from 0.
    """

    depth: int
    mark: Mark
    words: str
    before: str = ""

    @property
    def has_parts(self) -> bool:
        return self.words in (*GROUPS.values(), NOT)


def lines(before: Rule, after: Rule) -> list[Line]:
    """All of both rules in the order of the newer one, each line with its mark.

    Rules that are wrong are shown as JSON.
    """
    if tree.problem(before) or tree.problem(after):
        if _key(before) == _key(after):
            return [Line(depth=0, mark="same", words=_json(after))]
        return [
            Line(depth=0, mark="changed", words=_json(after), before=_json(before)),
        ]
    return list(_differ(before, after, 0))


def summary(before: Rule, after: Rule) -> str:
    """Such as "1 added, 2 changed"; "" where both say the same."""
    found = [line.mark for line in lines(before, after)]
    counts = ((found.count(mark), mark) for mark in ("added", "removed", "changed"))
    return ", ".join(f"{count} {mark}" for count, mark in counts if count)


def _differ(before: Rule, after: Rule, depth: int) -> Iterator[Line]:
    old, new = _group(before), _group(after)
    if _key(before) == _key(after):
        yield from _whole(after, "same", depth)
    elif (
        "not" in before and "not" in after and not (_is_said(before) or _is_said(after))
    ):
        yield Line(depth=depth, mark="same", words=NOT)
        yield from _differ(before["not"], after["not"], depth + 1)
    elif old or new:
        yield from _groups(old or new, before, new or old, after, depth)
    elif _subject(before) == _subject(after):
        yield Line(
            depth=depth, mark="changed", words=_said(after), before=_said(before)
        )
    else:
        yield from _whole(before, "removed", depth)
        yield from _whole(after, "added", depth)


def _groups(
    old: str, before: Rule, new: str, after: Rule, depth: int
) -> Iterator[Line]:
    """A group and what became of it; a single condition is a group of one."""
    words, earlier = GROUPS[new], GROUPS[old]
    if old == new:
        yield Line(depth=depth, mark="same", words=words)
    else:
        yield Line(depth=depth, mark="changed", words=words, before=earlier)
    gone, pairs = _paired(before.get(old, [before]), after.get(new, [after]))
    for part in gone:
        yield from _whole(part, "removed", depth + 1)
    for earlier_part, part in pairs:
        if earlier_part is None:
            yield from _whole(part, "added", depth + 1)
        else:
            yield from _differ(earlier_part, part, depth + 1)


def _paired(
    before: list[Rule], after: list[Rule]
) -> tuple[list[Rule], list[tuple[Rule | None, Rule]]]:
    """What went, and each part of the newer one with what it was; None: it is new.

    First those that are the same, then those about the same.
    """
    left, found = list(before), dict[int, Rule]()
    for of in (_key, _subject):
        for place, part in enumerate(after):
            if place not in found:
                match = next((one for one in left if of(one) == of(part)), None)
                if match is not None:
                    found[place] = match
                    left.remove(match)
    return left, [(found.get(place), part) for place, part in enumerate(after)]


def _whole(rule: Rule, mark: Mark, depth: int) -> Iterator[Line]:
    if group := _group(rule):
        yield Line(depth=depth, mark=mark, words=GROUPS[group])
        for part in rule[group]:
            yield from _whole(part, mark, depth + 1)
    elif "not" in rule and not _is_said(rule):
        yield Line(depth=depth, mark=mark, words=NOT)
        yield from _whole(rule["not"], mark, depth + 1)
    else:
        yield Line(depth=depth, mark=mark, words=_said(rule))


def _is_said(rule: Rule) -> bool:
    """Whether a “not” and its condition are one sentence."""
    return "not" in rule and not tree.parts_of(rule["not"])


def _group(rule: Rule) -> str:
    return next((group for group in GROUPS if group in rule), "")


def _subject(rule: Rule) -> str:
    """What a part is about, as a text that can be compared."""
    if _group(rule):
        return "group"
    if "not" in rule:
        return _subject(rule["not"]) if _is_said(rule) else "not"
    for keys in SUBJECTS:
        if all(key in rule for key in keys):
            return _json(
                [keys, *(rule[k] for k in keys if k in ("attribute", "event"))]
            )
    return _json(sorted(rule))


def _said(condition: Rule) -> str:
    return capfirst(tree.describe(condition))


def _key(value: Any) -> str:
    """The same text for what means the same."""
    return _json(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _plain_list(value, key) if isinstance(item, list) else _plain(item)
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, float):
        short = float(f"{value:.{DIGITS}g}")
        return int(short) if short.is_integer() else short
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _plain_list(rule: Rule, key: str) -> list[Any]:
    """In the order of its texts, where its own means nothing."""
    items = [_plain(item) for item in rule[key]]
    is_range = "between" in str(rule.get("is", ""))
    if key in UNORDERED and not is_range:
        return sorted(items, key=_json)
    return items


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
