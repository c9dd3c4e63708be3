"""How long ago something was, by the one clock."""

from datetime import datetime

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils import timezone

from lemnisk_braze.lib import database_clock

register = template.Library()


@register.filter
def ago(at: datetime | None) -> str:
    """As in "5 minutes ago"; "" for no time.

    Django's words reckon from this machine's clock: they are asked for as long ago by it.
    """
    if at is None:
        return ""
    return str(naturaltime(timezone.now() - (database_clock.reckoned() - at)))
