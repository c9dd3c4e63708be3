"""Take External APIs over from a file that export_external_apis wrote."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.management.base import BaseCommand, CommandError, CommandParser

from externalapi.models import Connection
from externalapi.transfer import import_file
from externalapi.transfer.import_file import FileError, Planned


class Command(BaseCommand):
    help = (
        "Makes and changes External APIs as a file says, all of them or none. "
        "A change is a new version; engagements keep theirs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="The file, or - for what is piped in.")
        parser.add_argument(
            "--connection-map",
            action="append",
            default=[],
            metavar="THEIRS=OURS",
            help="A connection's name in the file and here; the same without.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be done."
        )
        parser.add_argument("--user", help="Who stands in the history.")

    def handle(self, *args: Any, **options: Any) -> None:
        user = _user(options["user"])
        try:
            entries = import_file.read(_raw(options["file"]))
            names = {entry.connection for entry in entries}
            planned = import_file.plan(entries, _connections(names, options), user)
            self._say(planned)
            if not options["dry_run"]:
                import_file.carry_out(planned, user, "Imported from a file.")
        except FileError as e:
            raise CommandError(str(e)) from e

    def _say(self, planned: Sequence[Planned]) -> None:
        for one in planned:
            said = [label for label, _, _ in one.details]
            said += [change.label for change in one.changes]
            said += [f"Test case {name}" for name in one.cases]
            words = f": {', '.join(said)}" if said else ""
            self.stdout.write(f"{one.kind} “{one.entry.name}”{words}")
            for problem in one.problems:
                self.stderr.write(f"  {problem}")
        if any(one.problems for one in planned):
            raise FileError("Nothing was imported.")


def _raw(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(import_file.MAX_BYTES + 1)
    try:
        with Path(file).open("rb") as opened:
            return opened.read(import_file.MAX_BYTES + 1)
    except OSError as e:
        raise CommandError(f"{file} cannot be read: {e.strerror}.") from e


def _user(name: str | None) -> AbstractBaseUser | None:
    if not name:
        return None
    model = get_user_model()
    user: AbstractBaseUser | None = model.objects.filter(
        **{model.USERNAME_FIELD: name}
    ).first()
    if user is None:
        raise CommandError(f"There is no user {name}.")
    return user


def _connections(names: set[str], options: dict[str, Any]) -> dict[str, Connection]:
    ours = {name: name for name in names}
    for pair in options["connection_map"]:
        theirs, mark, our = pair.partition("=")
        if not mark or theirs not in names:
            raise CommandError(
                f"{pair}: write THEIRS=OURS, with a connection that is in the file: "
                f"{', '.join(sorted(names))}."
            )
        ours[theirs] = our
    found = {one.name: one for one in Connection.objects.filter(name__in=ours.values())}
    return {name: found[our] for name, our in ours.items() if our in found}
