"""What `manage.py check --deploy` says about this app's settings."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.security, deploy=True)
def check_local_addresses(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """The bypass for the sandbox has no place in production."""
    if not settings.ALLOWED_LOCAL_ADDRESSES:
        return []
    return [
        Warning(
            "External APIs may call private addresses over plain http: "
            f"{', '.join(settings.ALLOWED_LOCAL_ADDRESSES)}.",
            hint="Leave ALLOWED_LOCAL_ADDRESSES empty in production.",
            id="externalapi.W001",
        )
    ]
