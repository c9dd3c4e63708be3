"""Pause every active engagement."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from engagements.lifecycle import pause_all
from engagements.management.confirmation import add_yes, confirm
from lemnisk_braze.lib.counted import counted


class Command(BaseCommand):
    help = (
        "Pauses every active engagement: no new request starts, those on the wire end"
        " within 30 seconds. `resume_all` resumes just these."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_yes(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        engagements = pause_all.active()
        if not engagements:
            self.stdout.write("No engagement is active: nothing to pause.")
            return
        people = pause_all.people_waiting(engagements)
        question = (
            f"Pauses {counted(len(engagements), 'engagement')}; "
            f"{counted(people, 'person', 'people')} in line."
        )
        if confirm(self, question, options):
            self.stdout.write(
                f"Paused: {counted(len(pause_all.pause_all()), 'engagement')}."
            )
