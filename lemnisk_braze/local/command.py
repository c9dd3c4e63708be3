"""What the commands that run a whole site on this machine share: how they speak and end."""

from typing import Any

from django.core.management import BaseCommand, CommandError, call_command

from lemnisk_braze.local.processes import LocalError
from lemnisk_braze.local.signals import interrupt_on_signals


class LocalCommand(BaseCommand):
    """Prepares the database and runs until it is over, or ended from outside."""

    def handle(self, **options: Any) -> None:
        interrupt_on_signals()
        try:
            call_command("migrate", verbosity=0)
            self.run(options)
        except LocalError as e:
            raise CommandError(str(e)) from e
        except KeyboardInterrupt:
            self.say("\nEnded; the data stays for the next start.")

    def run(self, options: dict[str, Any]) -> None:
        """Do it; raises a LocalError that says why it cannot go on, and what to do."""
        raise NotImplementedError

    def say(self, line: str) -> None:
        self.stdout.write(line)
        # Also where nobody watches a terminal, each line comes when it is true.
        self.stdout.flush()
