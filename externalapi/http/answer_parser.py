"""An answer's bytes, in whatever pieces they come, read by Node.js's parser (httptools)."""

from http import HTTPStatus

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

# In bytes, of the body: no more of it is kept.
MAX_BODY = 64 * 1024
# In bytes, with its head: beyond it nothing more is read of an answer.
MAX_ANSWER = 1_000_000
SWITCHED = HTTPStatus.SWITCHING_PROTOCOLS
BODYLESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
# An answer that can be understood is not in doubt. Nobody is fooled by it either: what
# is left on a connection when a request begins belongs to no answer, and closes it.
LENIENCIES = {
    "lenient_headers": True,
    "lenient_chunked_length": True,
    "lenient_transfer_encoding": True,
    "lenient_version": True,
    "lenient_optional_lf_after_cr": True,
    "lenient_optional_cr_before_lf": True,
    "lenient_optional_crlf_after_chunk": True,
    "lenient_spaces_after_chunk_size": True,
}


class AnswerParser:
    """What is here of one answer: `status` is 0 until its head is.

    `is_over`: nothing more is read of it. `is_whole`: all of it is here, and where
    it also `keeps_connection` the next may follow.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.is_over = False
        self.is_whole = False
        self.keeps_connection = False
        self._size = 0
        # It holds on to this object, and this one to it until the answer is over: else
        # the two would stay in memory until somebody looks for circles.
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(**LENIENCIES)

    def feed(self, data: bytes) -> None:
        """Take in what came; nothing is the end of the connection."""
        if self._parser is None:
            return
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            # Not HTTP, or more than the answer: on this connection nothing can follow.
            self.is_over, self.keeps_connection = True, False
            self.status = self.status or self._final_status()
        if not data:
            has_no_size = self.headers.keys().isdisjoint(
                ("content-length", "transfer-encoding")
            )
            self.is_over, self.is_whole = True, bool(self.status) and has_no_size
        elif len(self.body) > MAX_BODY or self._size > MAX_ANSWER:
            self.is_over, self.keeps_connection = True, False
            self.is_whole &= len(self.body) <= MAX_BODY
        if self.is_over:
            self._parser = None

    # Called by the parser, which goes on to what follows an answer.

    def on_message_begin(self) -> None:
        self.keeps_connection = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:
            text = value.decode("latin-1").strip(" \t")
            self.headers[name.decode("latin-1").lower()] = text

    def on_headers_complete(self) -> None:
        self.status = self.status or self._final_status()
        if not self.status:
            # A hint that the answer will come.
            self.headers.clear()

    def on_body(self, data: bytes) -> None:
        if not self.is_over:
            self.body += data

    def on_message_complete(self) -> None:
        if self._parser and self.status and not self.is_over:
            self.is_over = self.is_whole = True
            self.keeps_connection = self._parser.should_keep_alive() and not (
                self.status == SWITCHED or self._has_unread_body()
            )

    def _final_status(self) -> int:
        status = self._parser.get_status_code() if self._parser else 0
        return status if status >= HTTPStatus.OK or status == SWITCHED else 0

    def _has_unread_body(self) -> bool:
        """Whether an answer that can have no body says that it has one."""
        return self.status in BODYLESS and (
            self.headers.get("content-length", "0") != "0"
            or "transfer-encoding" in self.headers
        )
