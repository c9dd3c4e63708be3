"""The one room that opens connections to the outside.

Everything goes out by `client`, through the guard in `ssrf`: `multiplexed` keeps many
requests on open connections, `wire` is such a connection, and how far a request got on
it, and `answer_parser` reads what comes back. `auth` signs requests in, `redaction`
takes keys out of answers, and `messages` are the request and the answer as values, with
the `answer_rules` that travel along. It knows nothing of the rooms above: OAuth 2 registers what fetches its tokens.
"""

__all__ = [
    "answer_rules",
    "auth",
    "client",
    "messages",
    "redaction",
    "ssrf",
]
