"""Encrypt every key and database address again, with the newest of SECRETS_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand

from externalapi.connections.encryption import KEY_FIELDS, rotate_key
from externalapi.models import Connection
from lemnisk_braze.lib import sealing


class Command(BaseCommand):
    help = (
        "Encrypts all keys with the first of SECRETS_KEYS. "
        "Afterwards the older ones can be removed from the setting."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        count = sum(
            rotate_key(connection, field)
            for connection in Connection.objects.order_by("pk").iterator()
            for field in KEY_FIELDS
            if getattr(connection, field)
        )
        count += sealing.rotate_all()
        self.stdout.write(f"Keys encrypted again: {count}.")
