"""Print the JSON Schema of a segment's rule."""

import json
from typing import Any

from django.core.management.base import BaseCommand

from segments.rules import tree


class Command(BaseCommand):
    help = "Prints the JSON Schema of a segment's rule, for tools that write one."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(tree.schema(), indent=2))
