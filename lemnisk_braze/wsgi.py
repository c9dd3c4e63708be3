"""The web server's way in: `granian --interface wsgi lemnisk_braze.wsgi:application`."""

import os
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application

from lemnisk_braze.lib import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lemnisk_braze.settings")


class Request(WSGIRequest):
    """A request whose query is read when somebody asks for it, and not before.

    Where the content type names a charset Django reads the query while it makes the
    request; one of too many fields then ended in a 500 of the web server's.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]
        except SuspiciousOperation:
            pass  # Whoever asks for the query is told.


application = get_wsgi_application()
application.request_class = Request
logs.take_over()
