"""Uploads that are too large end before they are read, and the page says so."""

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http import HttpRequest

# In bytes: what a form has beside its file.
REST = 1 << 16


class Capped(FileUploadHandler):
    """Stops what says beforehand that it has more bytes than an import may have.

    A browser that is told before it has sent everything may show that the connection
    broke off; the form's own script asks before it sends.
    """

    def handle_raw_input(self, input_data: Any, meta: Any, *args: Any) -> None:
        self._size = int(meta.get("CONTENT_LENGTH") or 0)

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self._size > settings.IMPORT_MAX_BYTES + REST and self.request:
            self.request.META["lemnisk.upload"] = [str(self.file_name), self._size]
            raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None


def stopped(request: HttpRequest) -> tuple[str, int] | None:
    """(the name, the bytes of the request) of an upload that was stopped, else None."""
    # Whoever asks for it lets the body be read, as far as it is.
    request.FILES  # noqa: B018
    found = request.META.get("lemnisk.upload")
    return (found[0], found[1]) if found else None
