"""Erase somebody by an identifier, or again whoever has come back with a restore."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lemnisk_braze.lib.counted import counted
from segments.models import Erasure
from segments.privacy import elsewhere, erasure, returned

WAYS = "manage.py erase_person"


class Command(BaseCommand):
    help = (
        "Erases somebody by an identifier, everywhere and for good, and keeps them out"
        " (docs/privacy.md). KIND is external_id, email, phone, anonymous_id, user_alias,"
        " braze_id or one of your own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", nargs="?", help="what kind of identifier it is")
        parser.add_argument("value", nargs="?", help="the identifier")
        parser.add_argument(
            "--may-return",
            action="store_true",
            help="what they do from now on makes a new person",
        )
        parser.add_argument(
            "--also-at",
            metavar="NAME",
            help="an External API that deletes them as well",
        )
        parser.add_argument(
            "--again",
            action="store_true",
            help="erase whoever was erased before and is here all the same, as after a"
            " restore",
        )
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["again"]:
            self._again(options)
            return
        if not options["kind"] or not options["value"]:
            raise CommandError("Say the kind of the identifier, and its value.")
        also_at = _also_at(options["also_at"])
        try:
            key = erasure.normal(options["kind"], options["value"])
            goes = erasure.what_goes(erasure.who([key]))
            self._report(goes)
            if not self._is_sure(options):
                return
            done = erasure.erase(
                [key],
                asked_through=WAYS,
                may_return=options["may_return"],
                also_at=also_at,
                seconds=float("inf"),
            )
        except (erasure.NobodyMeantError, erasure.SeveralPeopleError) as e:
            raise CommandError(str(e)) from e
        self._say(done)

    def _again(self, options: dict[str, Any]) -> None:
        people = returned.find()
        were = counted(len(people), "person who was", "people who were")
        self.stdout.write(f"{were} erased before came back.")
        if people and self._is_sure(options):
            for person in people:
                self._say(erasure.erase_person(person, asked_through=f"{WAYS} --again"))

    def _is_sure(self, options: dict[str, Any]) -> bool:
        if options["yes"] or input("Erase them for good? [y/N] ") == "y":
            return True
        self.stdout.write("Nothing was done.")
        return False

    def _say(self, done: Erasure) -> None:
        self.stdout.write(f"{done}: {done.get_state_display()}. What went:")
        self._report(dict(erasure.report(done)))
        for words in filter(None, (done.answer, done.problem)):
            self.stdout.write(words)

    def _report(self, counts: dict[str, int]) -> None:
        for label, count in counts.items():
            self.stdout.write(f"{count:>10,} {label}")


def _also_at(name: str | None) -> tuple[int, str] | None:
    if name is None:
        return None
    for choice in elsewhere.choices(None):
        if choice[1] == name:
            return choice
    raise CommandError(f"There is no External API “{name}” that deletes people.")
