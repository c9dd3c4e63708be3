"""How much of a whole, as a bar."""

from django.utils.html import format_html
from django.utils.safestring import SafeString


def share_bar(share: float, tone: str) -> SafeString:
    """A bar as wide as the share in percent, which is also written beside it."""
    return format_html(
        '<span class="lb-share" aria-hidden="true">'
        '<span class="lb-share-fill lb-share--{}" style="width: {}%"></span></span>'
        '<span class="lb-share-words">{}%</span>',
        tone,
        f"{share:.2f}",
        f"{share:.1f}",
    )
