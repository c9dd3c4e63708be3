"""What an answer says of the rate limit. Pure.

Braze's names (api/api_limits, "Monitoring your rate limits"); on some answers they are
there and empty.
"""

from collections.abc import Mapping

from externalapi.braze.contract import REMAINING_HEADER


def remaining(headers: Mapping[str, str]) -> int | None:
    """How many requests are left in the window, where the headers say so.

    `headers` have names in lower case.
    """
    text = headers.get(REMAINING_HEADER.lower(), "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
