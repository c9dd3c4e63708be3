"""After a restore from a backup: hold back whoever may have been sent to already."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from engagements.management.confirmation import add_yes, confirm, engagement, moment
from engagements.recovery import after_restore
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.counted import counted


class Command(BaseCommand):
    help = (
        "For after a restore from a backup, before the workers start: makes everybody"
        " uncertain who was due before the old database was lost and who, as the"
        " backup knows it, was not sent to yet. Then decide with settle_uncertain. It"
        " may be stopped and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--before",
            type=moment,
            metavar="TIME",
            required=True,
            help="when the old database was lost, as 2026-03-01T09:30+01:00; without an"
            " offset it is in TIME_ZONE",
        )
        parser.add_argument(
            "--engagement",
            type=engagement,
            metavar="NAME",
            help="only this engagement: its name or its ID",
        )
        add_yes(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        before, one = options["before"], options["engagement"]
        if before > database_clock.now():
            raise CommandError("--before lies in the future.")
        if workers := after_restore.workers_at_work():
            raise CommandError(
                "Nothing was done. Stop the workers first, and wait a minute: "
                f"{', '.join(workers)}."
            )
        people = after_restore.in_doubt(before, one)
        if not people:
            self.stdout.write("Nobody was due before that time.")
            return
        question = (
            f"Makes about {counted(people, 'person', 'people')} uncertain. Nothing is sent to them until"
            " you say so."
        )
        if confirm(self, question, options):
            marked = after_restore.mark_uncertain(before, one)
            self.stdout.write(
                f"Uncertain: {counted(marked, 'person', 'people')}. Go on with: manage.py settle_uncertain"
            )
