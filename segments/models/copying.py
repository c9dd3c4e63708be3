"""Many rows to PostgreSQL as one text: COPY, and arrays as literals.

psycopg dumps the items of a list one by one, at about 9 µs a text; a text that is
already in the server's own form costs next to nothing. Values are never quoted into
SQL: an array's literal is a parameter, and COPY has a channel of its own.
https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from django.db import connection

NULL = r"\N"
# Before binary rows, and after them.
_BINARY = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def copy(table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    """Add rows to a table; a line has a field for each column, separated by tabs.

    A text goes through `field`, and a JSON text through `json_field`. Raises Django's
    database errors, as a statement does; ValueError for a text that is no UTF-8.
    """
    _copy(table, columns, "", "\n".join([*lines, ""]).encode())


def copy_binary(table: str, columns: Sequence[str], rows: Iterable[bytes]) -> None:
    """The same of rows in the server's binary form, each with its number of columns.

    https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY
    """
    data = b"".join([_BINARY, *rows, _END])
    _copy(table, columns, "WITH (FORMAT binary)", data)


def _copy(table: str, columns: Sequence[str], how: str, data: bytes) -> None:
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN {how}"
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(statement) as channel,
    ):
        channel.write(data)


def field(text: str | None) -> str:
    """A text as a field of a line."""
    if text is None:
        return NULL
    if "\\" in text or not text.isprintable():
        return text.translate(_ESCAPED)
    return text


def fields(texts: Sequence[str]) -> Sequence[str]:
    """Texts as fields of lines: at once, where nothing in any of them is to be escaped."""
    together = "".join(texts)
    if "\\" not in together and together.isprintable():
        return texts
    return [field(text) for text in texts]


def json_field(text: str) -> str:
    """A JSON text as a field of a line: it has no control characters of its own."""
    return text.replace("\\", r"\\") if "\\" in text else text


def text_array(texts: Iterable[str | None]) -> str:
    """A text[] as the parameter of a statement: `ANY(%s::text[])`, `unnest(%s::text[])`."""
    return "{" + ",".join(map(_item, texts)) + "}"


def number_array(numbers: Iterable[int | None]) -> str:
    """The same of whole numbers: a bigint[]."""
    return "{" + ",".join(["NULL" if n is None else str(n) for n in numbers]) + "}"


def time_array(times: Iterable[datetime]) -> str:
    """The same of times with a zone: a timestamptz[]."""
    # Many are the same one.
    own: dict[datetime, str] = {}
    texts = [own.get(at) or own.setdefault(at, at.isoformat()) for at in times]
    return "{" + ",".join(texts) + "}"


def truth_array(values: Iterable[bool]) -> str:
    """The same of what is true or false: a bool[]."""
    return "{" + ",".join(["t" if value else "f" for value in values]) + "}"


def bytes_array(values: Iterable[bytes | None]) -> str:
    """The same of bytes: a bytea[]."""
    own = ["NULL" if v is None else rf'"\\x{v.hex()}"' for v in values]
    return "{" + ",".join(own) + "}"


def id_array(ids: Collection[int]) -> str:
    """Ids as a bigint[], in their order."""
    # A list of numbers reads in PostgreSQL as in Python, but for its brackets.
    return f"{{{str(sorted(ids))[1:-1]}}}"


def _item(text: str | None) -> str:
    if text is None:
        return "NULL"
    if "\\" in text or '"' in text:
        text = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{text}"'
