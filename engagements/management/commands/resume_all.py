"""Resume the engagements that “Pause all” paused."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from engagements.lifecycle import pause_all
from engagements.management.confirmation import add_yes, confirm
from lemnisk_braze.lib.counted import counted


class Command(BaseCommand):
    help = (
        "Resumes the engagements that `pause_all`, or the button Pause all, paused."
        " Those that somebody paused or ended by itself stay as they are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_yes(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        engagements = pause_all.held()
        if not engagements:
            self.stdout.write("“Pause all” holds no engagement: nothing to resume.")
            return
        people = pause_all.people_waiting(engagements)
        question = (
            f"Resumes {counted(len(engagements), 'engagement')}; "
            f"{counted(people, 'person is', 'people are')} sent."
        )
        if confirm(self, question, options):
            self.stdout.write(
                f"Resumed: {counted(len(pause_all.resume_all()), 'engagement')}."
            )
