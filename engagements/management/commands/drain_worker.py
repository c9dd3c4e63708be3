"""Let a worker finish what it has and take no more."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from engagements.management.confirmation import add_yes, confirm
from engagements.models import Worker
from engagements.outbox import workers
from lemnisk_braze.lib.counted import counted


class Command(BaseCommand):
    help = (
        "Asks a worker to finish what it has in hand and to end, as SIGTERM does on its"
        " own machine. Its processes look between two claims, an idle one when it is"
        " next woken. Without a name it lists the workers."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "worker",
            nargs="?",
            help="a name of the list, or a part of it such as its host",
        )
        add_yes(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["worker"]:
            for worker in Worker.objects.order_by("node", "name"):
                drains = " drains" * bool(worker.drain_asked_at)
                self.stdout.write(f"{worker.node}  process {worker.name}{drains}")
            return
        nodes = workers.named(options["worker"])
        if not nodes:
            raise CommandError(
                f"No worker is named “{options['worker']}”. Without a name this command"
                " lists those that have looked for work."
            )
        people = workers.people_in_hand(nodes)
        question = (
            f"Drains {', '.join(nodes)}: {counted(people, 'person in hand is', 'people in hand are')} finished, then "
            "it ends."
        )
        if confirm(self, question, options):
            count = workers.drain(nodes)
            self.stdout.write(f"Asked: {counted(count, 'process', 'processes')}.")
