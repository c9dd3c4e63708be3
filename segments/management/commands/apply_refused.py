"""Put messages back into the inbox that could not be applied."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from lemnisk_braze.lib.counted import counted
from segments.models import RefusedMessage
from segments.tracking import replaying


class Command(BaseCommand):
    help = (
        "Tries messages of the tracking API again that were taken in and then refused,"
        " after their cause was corrected: --reason is how the reason begins. They are"
        " applied in their old order, behind what waits."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", default="", help="how the reason begins")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        found = RefusedMessage.objects.filter(
            stage=RefusedMessage.Stage.APPLYING,
            replayed_at=None,
            message__startswith=options["reason"],
        ).exclude(kind="")
        count = found.count()
        if not count:
            self.stdout.write("No message was refused for such a reason.")
            return
        if (
            not options["yes"]
            and input(f"Try {counted(count, 'message')} again? [y/N] ") != "y"
        ):
            self.stdout.write("Nothing was done.")
            return
        count = replaying.replay(found).taken
        self.stdout.write(
            f"{counted(count, 'message waits', 'messages wait')} in the inbox again."
        )
