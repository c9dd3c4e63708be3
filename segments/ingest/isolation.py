"""One message's error stops no other: by halves, until the bad one stands alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from celery.exceptions import SoftTimeLimitExceeded
from django.db import Error, transaction

from lemnisk_braze.lib.database_errors import About, about, sqlstate
from segments.ingest.message import Message

# So many messages that fail by a mistake of ours, and not one that does not: it is not
# the messages.
SUSPECTS = 20

# Memory, or room for temporary files, that the server has not got: for whatever else, too,
# or for this message alone.
TOO_LARGE = ("53200", "53400")

# Writes what the messages say; returns whom it refused, by key.
Apply = Callable[[Sequence[Message]], dict[int, Exception]]


@dataclass(slots=True, kw_only=True)
class Isolation:
    """One chunk: who stands alone with an error, by key, and what has gone well."""

    act: Apply
    refused: dict[int, Exception] = field(default_factory=dict)
    suspects: list[tuple[Message, Error]] = field(default_factory=list)
    kinds_applied: set[str] = field(default_factory=set)

    def apply(self, messages: Sequence[Message]) -> None:
        """Apply the messages together, else in halves, until a bad one stands alone.

        Whatever class its error has; only a database that is away, and one that takes
        too long, are nobody's fault here.
        """
        if not messages:
            return
        try:
            with transaction.atomic():
                refused = self.act(messages)
        except SoftTimeLimitExceeded:
            raise
        except Exception as e:
            if about(e) is About.CONNECTION and sqlstate(e) not in TOO_LARGE:
                raise
            if len(messages) == 1:
                self._set_aside(messages[0], e)
                return
        else:
            self.refused |= refused
            self.kinds_applied |= {message.kind for message in messages}
            return
        half = len(messages) // 2
        self.apply(messages[:half])
        self.apply(messages[half:])

    def refused_in_the_end(self) -> dict[int, Exception]:
        """By key. Raises an error of a statement that took no message of its kind."""
        for message, error in self.suspects:
            if message.kind not in self.kinds_applied:
                raise error
            self.refused[message.key] = error
        return self.refused

    def _set_aside(self, message: Message, error: Exception) -> None:
        if not isinstance(error, Error) or about(error) is About.ROW:
            self.refused[message.key] = error
            return
        self.suspects.append((message, error))
        if len(self.suspects) >= SUSPECTS:
            # Where the others do go well, only these few are given up.
            self.refused_in_the_end()
            self.suspects.clear()
