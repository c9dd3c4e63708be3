"""`make demo`: everything on this machine, with people, a segment and an engagement."""

from argparse import ArgumentParser
from typing import Any

from lemnisk_braze.demo.site import Site
from lemnisk_braze.demo.story import Story
from lemnisk_braze.local.command import LocalCommand


class Command(LocalCommand):
    help = (
        "Start the Braze sandbox, the web server, a Celery worker and beat; send people"
        " and their events in; walk the three steps from External API to Activate; and"
        " print what arrived. Ctrl-C ends all of it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--once",
            action="store_true",
            help="end by itself: 0 only if all that should have arrived did,"
            " and nothing else",
        )
        parser.add_argument("--leads", type=int, default=5_000)
        parser.add_argument("--others", type=int, default=500)
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--sandbox-port", type=int, default=8090)

    def run(self, options: dict[str, Any]) -> None:
        ports = {"port": options["port"], "sandbox_port": options["sandbox_port"]}
        with Site.start(**ports, say=self.say) as site:
            story = Story(
                site=site,
                say=self.say,
                leads=options["leads"],
                others=options["others"],
            )
            if options["once"] or not story.is_told:
                story.tell()
                story.check()
            else:
                self.say("What an earlier start sent in is there, as you left it.")
            if not options["once"]:
                story.invite()
                site.processes.wait()
