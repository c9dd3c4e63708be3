"""manage.py build_dictionary: count the names of all that is stored, from the beginning."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from lemnisk_braze.lib.counted import counted
from segments.dictionary import building, shares
from segments.ingest import inbox
from segments.models import DictionaryBuild, DictionaryEntry

# In seconds: how often it says how far it is.
SAY_EVERY = 5.0


class Command(BaseCommand):
    help = (
        "Count the dictionary's names anew from the people and events that are stored. "
        "What people said of names stays. A large table is read in part."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [inbox.LOCK])
            building.start_anew()
        while building.go_on(SAY_EVERY):
            for build in DictionaryBuild.objects.filter(finished_at=None):
                self.stdout.write(f"{build}, {counted(build.rows, 'row')} read")
        shares.refresh()
        names = DictionaryEntry.objects.filter(count__gt=0).count()
        self.stdout.write(f"{counted(names, 'name')} came so far.")
