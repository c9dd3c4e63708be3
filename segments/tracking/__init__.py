"""The tracking API: Segment's HTTP spec in, rows of the inbox out.

`views` are its calls, each read by `reading` (key, plain body), `request_body` (JSON) and
`validation` (one message); what is refused `refused` keeps, and
`replaying` sends in again. `write_keys` and `origins` say
who may send, `sdk_settings` what browser libraries ask for first.
"""

__all__ = ["errors", "origins", "replaying", "request_body", "validation", "write_keys"]
