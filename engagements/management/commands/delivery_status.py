"""How delivery is doing, for a terminal and for monitoring."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from engagements.operations import alarms, bottleneck, status
from engagements.operations.types import Backlog, Plan, Snapshot
from engagements.throttling import circuit_breaker
from lemnisk_braze.lib.counted import counted


class Command(BaseCommand):
    help = (
        "Shows what waits, how fast it goes, what holds it back, and which alarms are"
        " on: the same values as the page Operations. Ends with 1 when an alarm is on,"
        " else with 0."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="everything, for a program"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = status.read()
        if options["json"]:
            values = asdict(now) | {"tick_age_seconds": _seconds(now.tick_age)}
            self.stdout.write(json.dumps(values, cls=DjangoJSONEncoder, indent=2))
        else:
            self.stdout.write("\n".join(_lines(now)))
        if now.alarms:
            raise SystemExit(1)


def _seconds(age: timedelta | None) -> float | None:
    return None if age is None else age.total_seconds()


def _lines(now: Snapshot) -> Iterator[str]:
    yield f"Read {bottleneck.clock(now.read_at)}"
    for alarm in now.alarms:
        yield f"ALARM {alarm.name}: {alarm.text} {alarm.advice}"
    yield ""
    yield f"Limit      {now.limit.text}"
    yield f"           {now.limit.evidence}"
    if now.limit.advice:
        yield f"           {now.limit.advice}"
    yield f"Waiting    {counted(now.people, 'person', 'people')} in {counted(now.batches, 'batch', 'batches')}"
    for rate in now.rates:
        yield (
            f"Last {rate.seconds:>3} s {rate.people_a_second:,.1f} people and "
            f"{rate.requests_a_second:,.1f} requests a second"
        )
    yield f"Uncertain  {counted(now.uncertain, 'person', 'people')}"
    yield f"Last tick  {_tick(now)}"
    if now.held_engagements:
        yield f"Held       {now.held_engagements} engagements, by “Pause all”"
    yield from _table("Engagement", BACKLOG, [_backlog(now, b) for b in now.backlogs])
    yield from _table("Connection", PLAN, [_plan(plan) for plan in now.plans])
    yield from _table(
        "Worker",
        ("processes", "looked for work", "drains"),
        [
            (w.node, str(w.processes), _ago(now, w.seen_at), _yes(w.drain_asked_at))
            for w in now.workers
        ],
    )
    yield from _table(
        "Lease",
        ("batches", "people", "since"),
        [
            (le.worker or "—", str(le.batches), str(le.people), _ago(now, le.since))
            for le in now.leases
        ],
    )


BACKLOG = ("people", "batches", "oldest", "to try again", "limited by")
BREAKERS = {
    circuit_breaker.State.CLOSED: "in order",
    circuit_breaker.State.RATE_LIMITED: "asked us to wait",
    circuit_breaker.State.OPEN: "fails: breaker open",
    circuit_breaker.State.HALF_OPEN: "being tried",
}
PLAN = ("state", "requests a second", "this hour")


def _backlog(now: Snapshot, backlog: Backlog) -> tuple[str, ...]:
    return (
        backlog.name,
        f"{backlog.people:,}",
        f"{backlog.batches:,}",
        alarms.in_words(now.read_at - backlog.oldest_at),
        f"{backlog.retries:,}",
        str(backlog.limit.cause) if backlog.limit else "",
    )


def _plan(plan: Plan) -> tuple[str, ...]:
    return (
        plan.name,
        _breaker(plan.breaker),
        f"{plan.requests_a_second:,.1f} of {plan.allowed_a_second:,.1f}",
        f"{plan.hour_used:,}" + (f" of {plan.hour_limit:,}" if plan.hour_limit else ""),
    )


def _breaker(its: circuit_breaker.Reading) -> str:
    until = f" until {bottleneck.clock(its.until)}" if its.until else ""
    return f"{BREAKERS[its.state]}{until}"


def _tick(now: Snapshot) -> str:
    age = now.tick_age
    return "never" if age is None else f"{alarms.in_words(age)} ago"


def _ago(now: Snapshot, at: Any) -> str:
    return f"{alarms.in_words(now.read_at - at)} ago"


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _table(
    title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]
) -> Iterator[str]:
    """Columns as wide as what is in them."""
    if not rows:
        return
    table = [(title, *heads), *rows]
    widths = [max(len(row[n]) for row in table) for n in range(len(heads) + 1)]
    yield ""
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
