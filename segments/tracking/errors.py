"""What the tracking API says when it refuses."""

from collections.abc import Mapping
from typing import Any


class RefusedError(Exception):
    """A request, or one message of a batch, that is not accepted.

    `message` is safe to show to the sender and says what to do instead; `more` stands
    beside it in the answer. `field` is the one that is wrong.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        more: Mapping[str, Any] | None = None,
        field: str = "",
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.more: Mapping[str, Any] = more or {}
        # What it is counted by on the source's page: mended is a field at a time.
        self.reason = f"{code}_{field}" if field else code
