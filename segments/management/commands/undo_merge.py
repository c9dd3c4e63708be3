"""Split off a person who was made part of another by mistake."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from segments.identity import undo
from segments.ingest import inbox
from segments.membership import evaluation, following
from segments.models import MergeLog


class Command(BaseCommand):
    help = (
        "Undoes a merge, by the number that the person's page shows: the part is a"
        " person again, with its events and attributes, and what joined the two joins"
        " them no more (docs/identity.md)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merge", type=int, help="the merge's number")

    def handle(self, *args: Any, **options: Any) -> None:
        merge = MergeLog.objects.filter(pk=options["merge"], kind="merge").first()
        if merge is None:
            raise CommandError("There is no merge of this number.")
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [inbox.LOCK])
            try:
                people = undo.split_off(merge)
            except undo.NotMergedError as e:
                raise CommandError(str(e)) from e
            heirs = following.follow(people.moved)
            evaluation.evaluate(people.changed_ids, heirs=heirs)
        self.stdout.write(f"Person {merge.part_id} is a person of their own again.")
