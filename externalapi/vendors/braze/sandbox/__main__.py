"""`python -m externalapi.vendors.braze.sandbox`: the sandbox without Django."""

import sys
from argparse import ArgumentParser

from externalapi.vendors.braze.sandbox.runtime.options import (
    BadOptionError,
    add_arguments,
    options_from,
)
from externalapi.vendors.braze.sandbox.server import run


def main(arguments: list[str]) -> None:
    parser = ArgumentParser(
        prog="python -m externalapi.vendors.braze.sandbox",
        description="A local HTTP server that answers as Braze's REST API does.",
    )
    add_arguments(parser)
    values = vars(parser.parse_args(arguments))
    try:
        options = options_from(values)
    except BadOptionError as error:
        parser.error(str(error))
    run(options)


if __name__ == "__main__":
    main(sys.argv[1:])
