"""What the tracking API says when it refuses."""


class RefusedError(Exception):
    """A request, or one message of a batch, that is not accepted.

    `message` is safe to show to the sender and says what to do instead.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
