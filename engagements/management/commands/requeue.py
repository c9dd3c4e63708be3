"""Try again now what waits for its next attempt."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from engagements import requeueing
from engagements.choosing import people_in
from engagements.management.asking import add_choice, add_yes, choice, confirm


class Command(BaseCommand):
    help = (
        "Lets batches that wait for their next attempt be tried at once. Each try"
        " counts as before; a connection that asked us to wait, or whose breaker is"
        " open, keeps its time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_choice(parser)
        add_yes(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        which = choice(options)
        people = people_in(requeueing.waiting(which))
        if not people:
            self.stdout.write("Nobody waits for another attempt there.")
            return
        if confirm(self, f"Tries {people:,} people again, now.", options):
            self.stdout.write(f"Due now: {requeueing.retry_now(which):,} batches.")
