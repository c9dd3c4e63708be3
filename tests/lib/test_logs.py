"""A line of the log: whose it is, and what it does not say."""

import json
import logging
import subprocess
import sys
import uuid
from pathlib import Path
from smtplib import SMTPSenderRefused

import psycopg
import pytest
from django.db import DataError

from lemnisk_braze.lib import logs

SECRET = "kanarienvogel"


def written(form="json", message="event.name", *args, error=None, name="library"):
    """The line of a library's record, or of an event where the message is a dict."""
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord(
        name, logging.ERROR, __file__, 1, message, args, exc_info
    )
    return logs.formatter(form).format(record)


def raised():
    """A driver's error that quotes, as Django hands it on."""
    try:
        try:
            raise psycopg.errors.InvalidTextRepresentation(f'integer: "{SECRET}"')
        except psycopg.Error as e:
            raise DataError(str(e)) from e
    except DataError as e:
        return e


def test_an_event_has_its_fields():
    id = uuid.uuid4()
    line = json.loads(written(message={"event": "batch.split", "attempt_ids": [id]}))
    assert line["event"] == "batch.split"
    assert line["attempt_ids"] == [str(id)]
    assert line["level"] == "error"
    assert line["timestamp"].endswith("+00:00")


@pytest.mark.parametrize("form", logs.FORMATS)
@pytest.mark.parametrize(
    ("message", "args"),
    [
        ("It failed: %s", (raised(),)),
        ("It failed: %r", (raised(),)),
        (f"It failed: {raised()}", ()),
        (f"It failed: {raised()!r}", ()),
        (raised(), ()),
        ("It failed: %(exc)s", ({"exc": SECRET},)),
        ("Cannot %d", (SECRET,)),
        ({"event": "x.y", "because": raised(), "exc_info": raised()}, ()),
        ({"event": "x.y", "thing": type("Thing", (), {"__str__": lambda s: SECRET})()}, ()),
    ],
)  # fmt: skip
def test_words_of_errors_are_left_out(form, message, args):
    line = written(form, message, *args, error=raised())
    assert SECRET not in line
    if form == "json":
        assert json.loads(line)["event"]


def test_an_error_is_told_by_what_it_is_and_where():
    line = json.loads(written(error=raised()))
    assert line["error"] == "DataError 22P02"
    assert line["sqlstate"] == "22P02"
    assert line["causes"] == ["InvalidTextRepresentation 22P02"]
    assert line["at"][-1].startswith("tests/lib/test_logs.py:")
    assert line["at"][-1].endswith(" raised")


def test_a_database_that_is_away_has_its_words():
    error = psycopg.OperationalError("connection refused\nIs it running?")
    event = {"event": "database.away", "because": error}
    because = json.loads(written(message=event))["because"]
    assert because == "OperationalError: connection refused"


def test_the_web_servers_traceback_is_not_shown():
    text = f"Application callable raised an exception\nTraceback: {SECRET}"
    line = json.loads(written(message=text, name="_granian.utils"))
    assert line["event"] == "Application callable raised an exception"


def test_what_a_mail_server_said_is_not_shown():
    error = SMTPSenderRefused(550, b"no kanarienvogel here", "kanarienvogel")
    assert SECRET not in written(message={"event": "mail.failed", "because": error})


@pytest.mark.parametrize("value", ["\ud800", 2**70, {1: 2}, float("nan"), b"x"])
def test_no_value_keeps_a_line_from_being_written(value):
    for form in logs.FORMATS:
        line = written(form, {"event": "x.y", "value": value})
        line.encode()
        assert "x.y" in line


def test_a_line_for_people_is_one_line():
    line = written("line", {"event": "x.y", "ids": [1, 2], "words": "two\nlines"})
    assert "\n" not in line
    assert " ERROR library x.y ids=1,2 words='two\\nlines'" in line


END = """
import logging.config, threading
from lemnisk_braze.lib import logs
logging.config.dictConfig(logs.configuration("json", "INFO"))
logs.take_over()
def fail(): raise ValueError("kanarienvogel")
thread = threading.Thread(target=fail)
thread.start(); thread.join()
fail()
"""


def test_what_ends_a_thread_or_a_process_goes_through_the_log():
    root = Path(__file__).parents[2]
    run = [sys.executable, "-c", END]
    said = subprocess.run(run, cwd=root, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    lines = [json.loads(line) for line in said.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["thread.failed", "process.failed"]
    assert {line["error"] for line in lines} == {"ValueError"}
    assert SECRET not in said.stderr
