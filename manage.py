#!/usr/bin/env python
"""Django's command line, with a database and a broker of its own when none is named."""

import os
import signal
import sys

from lemnisk_braze.local import embedded


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lemnisk_braze.settings")
    # Ended from outside we end as usual, and what we started ends with us.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        embedded.ensure()
    except embedded.EmbeddedServersMissingError as e:
        sys.exit(str(e))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
