"""What the operator's commands share: which rows they are about, and the question."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from engagements.models import Engagement
from engagements.recovery.selection import Choice


def add_yes(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--yes",
        action="store_true",
        help="do not ask: for scripts and without a terminal",
    )


def add_choice(parser: ArgumentParser) -> None:
    """--engagement, --since and --until."""
    parser.add_argument(
        "--engagement",
        type=engagement,
        metavar="NAME",
        help="only this engagement: its name or its ID",
    )
    parser.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="only what last changed at or after it, as 2026-03-01T09:30+01:00;"
        " without an offset it is in TIME_ZONE",
    )
    parser.add_argument(
        "--until", type=moment, metavar="TIME", help="only what last changed before it"
    )


def choice(options: dict[str, Any]) -> Choice:
    return Choice(
        engagement=options["engagement"],
        since=options["since"],
        until=options["until"],
        reason=options.get("reason") or "",
    )


def engagement(text: str) -> Engagement:
    found = Engagement.objects.filter(name=text).first()
    if found is None and text.isdecimal() and len(text) < 19:
        found = Engagement.objects.filter(pk=int(text)).first()
    if found is None:
        raise ArgumentTypeError(f"There is no engagement “{text}”.")
    return found


def moment(text: str) -> datetime:
    """A time; where it has no offset, in the TIME_ZONE of the settings."""
    try:
        found = parse_datetime(text)
    except ValueError as e:
        raise ArgumentTypeError(f"“{text}” is not a time: {e}.") from e
    if found is None:
        raise ArgumentTypeError(f"“{text}” is not a time like 2026-03-01T09:30+01:00.")
    return found if timezone.is_aware(found) else timezone.make_aware(found)


def confirm(command: BaseCommand, question: str, options: dict[str, Any]) -> bool:
    """Say what will happen, and ask unless --yes was given."""
    command.stdout.write(question)
    if options["yes"]:
        return True
    if not sys.stdin.isatty():
        raise CommandError("Nothing was done. Without a terminal, add --yes.")
    if input("Go on? [y/N] ").strip().lower() in ("y", "yes"):
        return True
    command.stdout.write("Nothing was done.")
    return False
