"""Decide in bulk about people whose answer was lost."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from engagements.management.confirmation import add_choice, add_yes, choice, confirm
from engagements.recovery import retry_now
from lemnisk_braze.lib.counted import counted

QUESTIONS = {
    "resend": "Sends the data of {people} again. Duplicates are possible: "
    "where the lost request did arrive, events and purchases count twice. Who is"
    " stopped by a guard by now stays uncertain.",
    "mark_sent": "Marks {people} as sent. Where the lost request did not "
    "arrive, their data is missing on the other side.",
}


class Command(BaseCommand):
    help = (
        "Settles uncertain people, by engagement and time span: `resend` or"
        " `mark_sent`. It may be stopped and run again. Where a person ended the run"
        " or the engagement nothing is sent any more, and they stay uncertain."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("decision", choices=sorted(QUESTIONS))
        add_choice(parser)
        add_yes(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        which = choice(options)
        people = retry_now.uncertain(which).people()
        if not people:
            self.stdout.write("Nobody is uncertain there.")
            return
        question = QUESTIONS[options["decision"]].format(
            people=counted(people, "person", "people")
        )
        if not confirm(self, question, options):
            return
        done = retry_now.settle(which, options["decision"], say=self._progress)
        self.stdout.write(f"Settled: {counted(done.people, 'person', 'people')}.")
        if done.refused:
            self.stdout.write(
                f"Left uncertain: {counted(done.refused, 'person', 'people')}, whose run or engagement "
                "was ended."
            )

    def _progress(self, people: int) -> None:
        if self.stdout.isatty():
            self.stdout.write(f"\r{counted(people, 'person', 'people')}", ending="")
            self.stdout.flush()
