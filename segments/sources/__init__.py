"""What a source's page shows: how it is doing, how to send to it, what was refused.

`now` is all of what changes by itself, made of `activity` (the last day), `refusals` (by
reason) and the last messages; `snippets` is what to paste, `trial` a message of our own.
"""

__all__ = ["now", "refusals", "snippets", "trial"]
