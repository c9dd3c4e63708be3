"""What is sent now and was not approved last, in words: for pages and for mails."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import BooleanField, DateTimeField, Field, FloatField, TimeField
from django.utils import formats
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst

from engagements.guards import approved
from engagements.guards.approved import Content
from engagements.models import Approval, Engagement
from engagements.schedules.words import DAYS
from engagements.schedules.years import local as local_time
from externalapi.definitions.diff import Row, diff_lines
from segments.life import differences
from segments.rules import tree

EMPTY = "empty"
# In the form these fields stand beside others that say what they are about.
LABELS: Mapping[str, str] = {
    "zone_attribute": "Each person’s own time zone, from the attribute",
    "heeds_caps": "Who has no room left under a frequency cap",
    "quiet_to": "Quiet until",
    "quiet_zone_attribute": "Quiet hours by the time zone from the attribute",
    "quiet_time_zone": "Quiet hours of the others by the time zone",
}
# As the form says them: yes and no.
CHOICES: Mapping[str, tuple[str, str]] = {
    "skips_who_left": ("is skipped", "is sent all the same"),
    "heeds_caps": ("is skipped", "is sent all the same, and it counts"),
    "heeds_global_holdout": ("is kept out of this one", "is sent all the same"),
}
NOTHING: Content = {
    "fields": {},
    "excluded": [],
    "rules": {},
    "names": {"version": "", "segments": {}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is set otherwise; `before` is "" where it is new.

    Of a segment's rule `rule` has its lines (segments.life.differences), of a payload
    `rows` those that differ (externalapi.definitions.diff).
    """

    label: str
    before: str = ""
    after: str = ""
    rule: Sequence[differences.Line] = ()
    rows: Sequence[Row] = ()

    @property
    def in_words(self) -> str:
        if self.rule:
            return f"{self.label}: {'; '.join(map(_said, self._changed))}."
        if self.rows:
            return f"{self.label}: {'; '.join(filter(None, map(_of_row, self.rows)))}"
        if not self.before:
            return f"{self.label}: {self.after}"
        return f"{self.label}: {self.before} → {self.after}"

    @property
    def _changed(self) -> list[differences.Line]:
        return [line for line in self.rule if line.mark != "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What has changed since `before` was approved; without it, all that is set."""

    before: Approval | None
    lines: Sequence[Line]


def since(asked: Approval) -> Changes:
    """Since the last approval: of what waits what it sends now, else what was asked."""
    earlier = asked.engagement.approvals.filter(
        state=Approval.State.APPROVED, pk__lt=asked.pk
    )
    before = earlier.select_related("answered_by").order_by("-pk").first()
    now = asked.content
    if asked.state == Approval.State.WAITING:
        now = approved.looked_at(asked.engagement, asked.kept_run)
    return Changes(before=before, lines=list(_lines(before, now)))


def _lines(last: Approval | None, now: Content) -> Iterator[Line]:
    before = last.content if last else NOTHING
    yield from _settings(before, now)
    yield from _values(before, now)
    yield from _payload(before, now)
    yield from _of_variants(before, now)
    yield from _excluded(before, now)
    yield from _rules(before, now)
    yield from _queries(before, now)
    yield from _names_said(before, now)
    yield from _sent_to(before, now)
    for kept in now.get("in_line", ()):
        yield from _in_line(now, kept)


def _queries(before: Content, now: Content) -> Iterator[Line]:
    was, is_ = (one.get("queries", {}) for one in (before, now))
    if before is not NOTHING and was != is_:
        after = "what its database is asked for who is on a list is another"
        yield Line(label="Who is on its lists", after=after)


def _names_said(before: Content, now: Content) -> Iterator[Line]:
    was, is_ = (one.get("said", {}) for one in (before, now))
    for of, name in is_.items():
        if was.get(of) != name:
            label = f"Name of the {of.capitalize()}"
            yield Line(label=label, before=was.get(of, ""), after=name)


def _sent_to(before: Content, now: Content) -> Iterator[Line]:
    if before.get("sent_to", now.get("sent_to")) != now.get("sent_to"):
        # Its address is not for everybody who reads this.
        after = "the address or the sign-in of its connection is another"
        yield Line(label="Where it is sent to", after=after)


def _in_line(now: Content, kept: Content) -> Iterator[Line]:
    """What who waits in line is sent, where it is not what is sent from now on."""
    parts = (_settings, _values, _payload, _of_variants)
    for line in chain.from_iterable(part(now, kept) for part in parts):
        yield replace(line, label=f"{line.label}, for who waits in line", before="")


def _values(before: Content, now: Content) -> Iterator[Line]:
    """In the order of the External API's body, or of the payload."""
    was, is_ = (one["fields"].get("values", {}) for one in (before, now))
    order = [*now["names"].get("parameters", ()), *was, *is_]
    for name in sorted({**was, **is_}, key=order.index):
        if was.get(name, "") != is_.get(name, ""):
            after = is_.get(name, "") or EMPTY
            yield Line(label=f"“{name}”", before=was.get(name, ""), after=after)


def _of_variants(before: Content, now: Content) -> Iterator[Line]:
    yield from _variants(*(one["fields"].get("variants", []) for one in (before, now)))


def _settings(before: Content, now: Content) -> Iterator[Line]:
    for name in approved.FIELDS:
        if name in ("values", "variants"):
            continue
        usual = approved.default(name)
        was, is_ = before["fields"].get(name, usual), now["fields"].get(name, usual)
        if name == "version" and before["names"]["version"] == now["names"]["version"]:
            # Its payload is another.
            continue
        if was != is_:
            field: Any = Engagement._meta.get_field(name)
            yield Line(
                label=LABELS.get(name, str(capfirst(field.verbose_name))),
                before="" if before is NOTHING else _text(field, was, before),
                after=_text(field, is_, now),
            )


def _payload(before: Content, now: Content) -> Iterator[Line]:
    was, is_ = (one["names"].get("payload", "") for one in (before, now))
    if before is not NOTHING and (rows := diff_lines(was, is_)):
        yield Line(label="Payload", rows=rows)


def _of_row(row: Row) -> str:
    """A line that differs, as it was and as it is; "" for one that is the same."""
    if row.kind in ("same", "skipped"):
        return ""
    sides = (row.before or (), row.after or ())
    was, is_ = ("".join(piece.text for piece in side).strip() for side in sides)
    return f"{was or 'nothing'} → {is_ or 'nothing'}"


def _variants(
    before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]
) -> Iterator[Line]:
    """As variants.plan stores them, each with its share and the values of its own."""
    was, is_ = ({v["letter"]: _variant(v) for v in one} for one in (before, now))
    for letter in sorted({*was, *is_}):
        if was.get(letter) != is_.get(letter):
            yield Line(
                label=f"Variant {letter}",
                before=was.get(letter, ""),
                after=is_.get(letter, "none"),
            )


def _variant(variant: Mapping[str, Any]) -> str:
    values = [f"“{name}”: {text}" for name, text in variant["values"].items()]
    return "; ".join([f"“{variant['name']}”, {variant['share']} %", *values])


def _excluded(before: Content, now: Content) -> Iterator[Line]:
    if before["excluded"] != now["excluded"]:
        yield Line(
            label="But nobody who is in",
            before=_names(before["excluded"], before) if before["excluded"] else "",
            after=_names(now["excluded"], now),
        )


def _names(ids: Sequence[int], content: Content) -> str:
    names = content["names"]["segments"]
    return ", ".join(f"“{names[str(id)]}”" for id in ids if str(id) in names) or EMPTY


def _rules(before: Content, now: Content) -> Iterator[Line]:
    for id, rule in now["rules"].items():
        label = f"Who is in “{now['names']['segments'][id]}”"
        if id not in before["rules"]:
            yield Line(label=label, after=_sentence(rule))
        elif before["rules"][id] != rule:
            lines = differences.lines(before["rules"][id], rule)
            if any(line.mark != "same" for line in lines):
                yield Line(label=label, rule=lines)
            else:
                yield Line(label=label, after="the same, written in another order")


def _sentence(rule: dict[str, Any]) -> str:
    return tree.problem(rule) or str(capfirst(tree.describe(rule)))


def _said(line: differences.Line) -> str:
    if line.mark == "changed":
        return f"{line.before} → {line.words}"
    return f"{line.mark} “{line.words}”"


def _text(field: Any, value: Any, content: Content) -> str:
    """A setting as people read it."""
    if field.name == "version":
        return str(content["names"]["version"])
    if field.name == "segment":
        return _names([value], content)
    if field.name == "weekdays":
        return ", ".join(DAYS[day] for day in value) or EMPTY
    if value in (None, ""):
        return EMPTY
    if isinstance(field, DateTimeField) and (moment := parse_datetime(str(value))):
        # As the form shows it.
        zone = content["fields"].get("time_zone", approved.default("time_zone"))
        local = local_time(moment, ZoneInfo(zone))
        return formats.date_format(local, "DATETIME_FORMAT")
    return _plain(field, value)


def _plain(field: "Field[Any, Any]", value: Any) -> str:
    if field.choices:
        return str(dict(field.flatchoices).get(value, value))
    match field:
        case BooleanField():
            yes, no = CHOICES.get(field.name, ("yes", "no"))
            return yes if value else no
        case TimeField():
            return str(value)[:5]
        case FloatField():
            return f"{value:g}"
        case _:
            return f"{value:,}" if isinstance(value, int) else str(value)
