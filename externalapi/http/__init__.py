"""The one room that opens connections to the outside.

Everything goes through the guard in `ssrf`: `client` sends one request and waits,
`multiplexed` keeps many on open connections, `wire` is what was written and read on
one of them. `auth` signs requests in, `redaction` takes keys out of what comes back, and
`messages` are the request and the answer as values, with the `answer_rules` that travel
along. It knows nothing of the rooms above: OAuth 2 registers what fetches its tokens.
"""

__all__ = [
    "answer_rules",
    "auth",
    "client",
    "messages",
    "multiplexed",
    "redaction",
    "ssrf",
]
