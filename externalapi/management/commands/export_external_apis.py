"""Write External APIs as a file, without any key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from externalapi.models import ExternalAPI
from externalapi.transfer.export_file import export


class Command(BaseCommand):
    help = "Prints External APIs as JSON for import_external_apis; no key is in it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "names", nargs="*", help="Their names; all but archived ones without any."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names = options["names"]
        external_apis = ExternalAPI.objects.select_related(
            "current_version__connection"
        )
        if names:
            external_apis = external_apis.filter(name__in=names)
        else:
            external_apis = external_apis.offered()
        found = list(external_apis)
        if missing := sorted(set(names) - {one.name for one in found}):
            raise CommandError(f"There is no External API named {', '.join(missing)}.")
        self.stdout.write(export(found), ending="")
