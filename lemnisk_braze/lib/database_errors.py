"""What an error of the database is about, by its SQLSTATE.

The driver's classes do not say it: a key too long for an index is an OperationalError
like a lost connection, and a read-only standby an InternalError like a fault of the
server's own. The classes of SQLSTATE do:
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from enum import Enum

import psycopg
from django import db

# A statement was ended by a timeout; a lock was not to be had in time.
TOO_LONG = "57014"
LOCKED = "55P03"


class About(Enum):
    """Whose error it is, and so what is to be done.

    ROW: the data's. Isolate it (halve what was given), keep it with its reason, go on.
    STATEMENT: ours. Log it, raise an alarm, go on with the others.
    CONNECTION: nobody's. Wait, and do the same again.
    """

    ROW = "row"
    STATEMENT = "statement"
    CONNECTION = "connection"


# Longest first: a code of five characters says more than its class.
_ABOUT = {
    # The server refuses to write just now: a standby after a failover.
    "25006": About.CONNECTION,
    # A transaction that stood still for too long, as in a process that was stopped.
    "25P03": About.CONNECTION,
    "25P04": About.CONNECTION,
    # Another has locked it.
    LOCKED: About.CONNECTION,
    # The database is not there (yet), or still starting with another's files.
    "3D000": About.CONNECTION,
    "08": About.CONNECTION,  # connection exception
    "28": About.CONNECTION,  # not let in: a password being changed
    "40": About.CONNECTION,  # rolled back: deadlock, serialization
    "53": About.CONNECTION,  # out of disk, memory, connections
    "57": About.CONNECTION,  # shut down, cancelled by a timeout
    "58": About.CONNECTION,  # the system's own: input and output
    "21": About.ROW,  # one row twice in one statement
    "22": About.ROW,  # a value that does not fit
    "23": About.ROW,  # a constraint
    "54": About.ROW,  # a limit: too long for an index, too deep
}


def sqlstate(error: BaseException) -> str:
    """The error's SQLSTATE; "" where it has none, as one of the driver's own."""
    for found in (error, error.__cause__):
        if code := getattr(found, "sqlstate", None):
            return str(code)
    return ""


def about(error: BaseException) -> About:
    """Whose error it is: a row's, a statement's, or the connection's.

    An error of Python's own while a value was made ready for the database (ValueError,
    TypeError and the like) is the row's.
    """
    code = sqlstate(error)
    for known in (code, code[:2]):
        if known in _ABOUT:
            return _ABOUT[known]
    if code:
        return About.STATEMENT
    # Without a code the server has said nothing: it was not reached, or the driver
    # refused a value before it was sent, such as a NUL in a text.
    if isinstance(error, _UNREACHED):
        return About.CONNECTION
    if isinstance(error, _DATABASE) and not isinstance(error, _OF_A_VALUE):
        return About.STATEMENT
    return About.ROW


def is_in_the_way(error: BaseException) -> bool:
    """Whether others were at the same rows: done again, at once, it may well succeed."""
    return sqlstate(error) in _IN_THE_WAY


def in_words(error: BaseException) -> str:
    """The first line of what it says, for whoever reads why something was set aside."""
    line = str(error).strip().partition("\n")[0]
    if sqlstate(error):
        return f"The database refuses it: {line}"
    return f"{type(error).__name__}: {line}"


# A lock that was not to be had in time, a serialization failure, a deadlock.
_IN_THE_WAY = (LOCKED, "40001", "40P01")
# Django's errors, and the driver's where a cursor of its own is used.
_DATABASE = (db.Error, psycopg.Error)
_UNREACHED = (
    db.OperationalError,
    db.InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
_OF_A_VALUE = (
    db.DataError,
    db.IntegrityError,
    psycopg.DataError,
    psycopg.IntegrityError,
)
