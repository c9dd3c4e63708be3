"""Try again now: what waits for its next attempt, or people whose delivery failed."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from engagements.management.confirmation import add_choice, add_yes, choice, confirm
from engagements.models import Delivery
from engagements.recovery import retry_failed, retry_now
from engagements.recovery.selection import Choice
from lemnisk_braze.lib.counted import counted


class Command(BaseCommand):
    help = (
        "`waiting` lets batches that wait for their next attempt be tried at once: each"
        " try counts as before, and a connection that asked us to wait, or whose"
        " breaker is open, keeps its time. `failed` tries people again whose delivery"
        " failed, in a new run for each run of theirs, with the values that the"
        " engagement has now; each failure is taken along once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["waiting", "failed"])
        parser.add_argument(
            "--state",
            action="append",
            choices=[str(state) for state in retry_failed.STATES],
            help="of `failed`: only people in this state; may be given again."
            " Default: dead",
        )
        parser.add_argument(
            "--reason",
            metavar="TEXT",
            help="of `failed`: only those whose reason begins with it",
        )
        add_choice(parser)
        add_yes(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        which = choice(options)
        if options["what"] == "waiting":
            people = retry_now.waiting(which).people()
            if not people:
                self.stdout.write("Nobody waits for another attempt there.")
            elif confirm(
                self,
                f"Tries {counted(people, 'person', 'people')} again, now.",
                options,
            ):
                self.stdout.write(
                    f"Due now: {counted(retry_now.retry_now(which), 'batch', 'batches')}."
                )
        else:
            self._failed(which, options)

    def _failed(self, which: Choice, options: dict[str, Any]) -> None:
        states = options["state"] or [Delivery.State.DEAD]
        deliveries = which.deliveries(*states)
        shares = retry_failed.shares(deliveries)
        for share in shares:
            self.stdout.write(
                f"{share.engagement}: {counted(share.people, 'person', 'people')}. {share.problem}".strip()
            )
        possible = [share for share in shares if share.is_possible]
        people = sum(share.people for share in possible)
        if not people:
            self.stdout.write("Nobody can be tried again there.")
            return
        ambiguous = sum(share.ambiguous for share in possible)
        question = (
            f"Tries {counted(people, 'person', 'people')} again, in new runs."
            + (
                f" Duplicates are possible for {ambiguous:,} of them: an answer to an "
                "earlier attempt was lost."
                if ambiguous
                else ""
            )
        )
        if confirm(self, question, options):
            done = retry_failed.retry(deliveries)
            runs = len(done.runs)
            self.stdout.write(
                f"In line again: {counted(done.people, 'person', 'people')} in {counted(runs, 'run')}."
            )
            if done.is_cut_short:
                raise CommandError("Others were at the same people. Run it again.")
