"""`manage.py braze_sandbox`: the local Braze for demos and development."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from externalapi.vendors.braze.sandbox.runtime.options import (
    BadOptionError,
    add_arguments,
    options_from,
)
from externalapi.vendors.braze.sandbox.server import run


class Command(BaseCommand):
    help = "Runs a local HTTP server that answers as Braze's REST API does."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            chosen = options_from(options)
        except BadOptionError as error:
            raise CommandError(str(error)) from error
        run(chosen)
