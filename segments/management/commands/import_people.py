"""Import a file from the command line: the same as on the page."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lemnisk_braze.lib.counted import counted
from segments.imports import lifecycle, progress, report, runner, storing
from segments.imports.mapping import naming
from segments.imports.mapping.columns import Column
from segments.imports.mapping.messages import EVENTS, PEOPLE
from segments.imports.reading.encodings import ENCODINGS
from segments.imports.reading.rows import FileError
from segments.models import Import, Source

State = Import.State
# In seconds, between two lines that say how far it is.
OFTEN = 2.0
SOME_ARE_BAD = 3


class Command(BaseCommand):
    help = (
        "Imports people (or events) from a file: CSV, TSV, JSON Lines or Parquet. Ends"
        " with 0 when all rows came in, with 3 when some did not (--bad writes them),"
        " with 1 when nothing did. Interrupted, it goes on in a worker."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--map",
            default="",
            help="what columns become, such as 'Nr=external_id, Ort=attribute:city:text,"
            " Note=-'; the others are what their names and cells suggest",
        )
        parser.add_argument("--source", required=True, help="the source's name")
        parser.add_argument("--dry-run", action="store_true", help="only count")
        parser.add_argument("--events", action="store_true", help="rows are events")
        parser.add_argument("--event", default="", help="what all events are called")
        parser.add_argument("--empty", choices=("keep", "clear"), default="keep")
        parser.add_argument("--zone", default="UTC", help="of times without one")
        parser.add_argument("--country", default="", help="of phones without a code")
        parser.add_argument("--encoding", default="", choices=("", *ENCODINGS))
        parser.add_argument("--bad", type=Path, help="where bad rows are written (CSV)")

    def handle(self, *args: Any, **options: Any) -> None:
        source = Source.objects.filter(name=options["source"], is_active=True).first()
        if source is None:
            raise CommandError(f"There is no active source “{options['source']}”.")
        try:
            said = naming.parse(options["map"])
            imported = self._take(options["file"], options["encoding"])
        except (FileError, naming.NamingError) as e:
            raise CommandError(str(e)) from e
        self._work(imported, "Reading")
        try:
            plan = naming.plan(
                [Column(**column) for column in imported.columns],
                storing.format_of(imported).is_typed,
                said,
                _settings(options),
            )
        except naming.NamingError as e:
            lifecycle.cancel(imported)
            raise CommandError(str(e)) from e
        if options["dry_run"]:
            lifecycle.check(imported, plan, source)
            self._work(imported, "Checking")
            lifecycle.cancel(imported)
        else:
            lifecycle.start_unchecked(imported, plan, source)
            self._work(imported, "Importing")
        self._end(imported, options["bad"], is_dry=options["dry_run"])

    def _take(self, path: Path, encoding: str) -> Import:
        try:
            with path.open("rb") as stream:
                size = path.stat().st_size
                storing.check_size(size)
                imported = storing.take(path.name, storing.blocks(stream))
        except OSError as e:
            raise CommandError(f"{path}: {e.strerror}.") from e
        if encoding and imported.state == State.UPLOADED:
            storing.set_encoding(imported, encoding)
        if imported.state == State.UPLOADED:
            known = " or ".join(c.encoding for c in storing.candidates(imported))
            said = storing.untold_encoding(imported)
            raise CommandError(f"{said} Or say it: --encoding {known}.")
        storing.begin(imported)
        return imported

    def _work(self, imported: Import, doing: str) -> None:
        """Go on with it here until its phase is over; another worker may have it."""
        last = time.monotonic()
        while True:
            more = runner.turn(imported.pk, OFTEN)
            imported.refresh_from_db()
            if time.monotonic() - last >= OFTEN:
                last = time.monotonic()
                self.stderr.write(f"{doing}: {_shown(progress.of(imported))}")
            if imported.state not in Import.WORKING:
                break
            if not more:
                time.sleep(0.2)
        if imported.state == State.FAILED:
            raise CommandError(imported.problem)
        if imported.state == State.CANCELLED:
            raise CommandError("It was cancelled.")

    def _end(self, imported: Import, bad: Path | None, *, is_dry: bool) -> None:
        now = progress.of(imported)
        count = imported.found["bad"] if is_dry else now.bad + now.refused
        erased = f" {now.erased:,} erased (kept out)," if now.erased else ""
        if is_dry:
            self.stdout.write(
                f"{now.new:,} new, {now.changed:,} changed, {now.same:,} the same,"
                f"{erased} {counted(count, 'bad row')}; nothing was changed."
            )
        else:
            self.stdout.write(
                f"{counted(now.came_in, 'row')} came in,{erased} {count:,} did not."
            )
        if bad:
            with bad.open("w", newline="", encoding="utf-8") as stream:
                stream.writelines(report.lines(imported))
        if count:
            raise CommandError(
                f"{counted(count, 'bad row')}: {bad or 'say --bad FILE to have them'}.",
                returncode=SOME_ARE_BAD,
            )


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "makes": EVENTS if options["events"] or options["event"] else PEOPLE,
        "event": options["event"],
        "empty": options["empty"],
        "zone": options["zone"],
        "country": options["country"],
    }


def _shown(now: progress.Progress) -> str:
    of = "" if now.rows is None else f" of {now.rows:,}"
    rate = f", {now.rate:,} a second" if now.rate else ""
    left = f", {now.left} left" if now.left is not None else ""
    return f"Rows read: {now.read:,}{of}{rate}{left}, {now.bad:,} bad"
