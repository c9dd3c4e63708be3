"""A file of people, thirteen columns wide: through an import, and by hand."""

import csv
import resource
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import people
from lemnisk_braze.local.processes import LocalError
from segments.imports import lifecycle, runner, storing
from segments.imports.mapping import suggestions
from segments.imports.mapping.columns import Column
from segments.imports.mapping.messages import PEOPLE, Plan
from segments.models import Import, Profile, Source

COLUMNS = (
    "external_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "city",
    "country",
    "plan",
    "score",
    "newsletter",
    "member_since",
    "last_order",
    "balance",
)
# Rows of one bulk_create.
AT_ONCE = 1_000
Row = dict[str, str]


def write(path: Path, label: str, count: int) -> None:
    """Write a file of so many people whom nobody knows; `label` makes them new ones."""
    with path.open("w", newline="") as stream:
        lines = csv.writer(stream)
        lines.writerow(COLUMNS)
        lines.writerows(_row(label, number) for number in range(count))


def by_an_import(source: Source, path: Path) -> Import:
    """As `manage.py import_people` does it, until all rows are applied.

    Raises LocalError where a row did not come in.
    """
    with path.open("rb") as stream:
        taken = storing.take(path.name, storing.blocks(stream))
    storing.begin(taken)
    _work(taken)
    known = [Column(**column) for column in taken.columns]
    uses = suggestions.suggest(known, is_typed=False, makes=PEOPLE)
    lifecycle.start_unchecked(taken, Plan(columns=uses), source)
    _work(taken)
    if taken.state != Import.State.DONE or taken.bad:
        raise LocalError(f"The import is {taken.state}: {taken.problem or taken.bad}")
    storing.forget(taken)
    return taken


def by_update_or_create(path: Path) -> None:
    """A query and a write with Django's ORM for each row."""
    for row in _rows(path):
        external_id, values = _values(row)
        Profile.objects.update_or_create(external_id=external_id, defaults=values)


def by_bulk_create(path: Path) -> None:
    """A thousand rows a statement, those that are there updated."""
    rows = map(_values, _rows(path))
    while made := [
        Profile(external_id=external_id, **values)
        for external_id, values in islice(rows, AT_ONCE)
    ]:
        Profile.objects.bulk_create(
            made,
            update_conflicts=True,
            unique_fields=["external_id"],
            update_fields=["email", "phone", "attributes"],
        )


def peak_megabytes() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _work(taken: Import) -> None:
    while runner.turn(taken.pk, 3_600.0):
        pass
    taken.refresh_from_db()


def _row(label: str, n: int) -> Sequence[Any]:
    return (
        f"{label}-{n}",
        f"{label}-{n}@example.com",
        f"+4477{n % 100_000_000:08}",
        people.FIRST_NAMES[n % 5],
        f"Example {n}",
        people.CITIES[n % 4],
        "IN",
        people.PLANS[n % 3],
        n % 1_000,
        ("false", "true")[n % 2],
        f"2025-01-{1 + n % 28:02}",
        f"2025-02-{1 + n % 28:02}T09:30:00Z",
        f"{n % 5_000}.{n % 100:02}",
    )


def _rows(path: Path) -> Iterator[Row]:
    with path.open(newline="") as stream:
        yield from csv.DictReader(stream)


def _values(row: Row) -> tuple[str, dict[str, Any]]:
    """(external ID, the other fields), with the types that the import finds."""
    attributes: dict[str, Any] = {name: row[name] for name in COLUMNS[3:]}
    attributes["score"] = int(row["score"])
    attributes["newsletter"] = row["newsletter"] == "true"
    attributes["balance"] = float(row["balance"])
    values = {"email": row["email"], "phone": row["phone"], "attributes": attributes}
    return row["external_id"], values
