"""Write all that is held of somebody, as JSON for them."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from segments.models import Profile
from segments.people import export
from segments.privacy import erasure


class Command(BaseCommand):
    help = (
        "Writes all that is held of somebody as one JSON document (docs/privacy.md)."
        " KIND is external_id, email, phone, anonymous_id, user_alias, braze_id or one"
        " of your own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", help="what kind of identifier it is")
        parser.add_argument("value", help="the identifier")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = erasure.who([erasure.normal(options["kind"], options["value"])])
        except (erasure.NobodyMeantError, erasure.SeveralPeopleError) as e:
            raise CommandError(str(e)) from e
        person = Profile.objects.filter(pk__in=found).first()
        if person is None:
            raise CommandError("Nobody has this identifier.")
        for piece in export.write(person):
            self.stdout.write(piece, ending="")
