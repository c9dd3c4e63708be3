"""Ended from outside, a command ends its processes just as with Ctrl-C."""

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt_on_signals() -> None:
    """Let the first of them raise KeyboardInterrupt here, and all others do nothing."""
    for each in SIGNALS:
        signal.signal(each, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    # Once is enough: a second Ctrl-C must not stop the stopping.
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
