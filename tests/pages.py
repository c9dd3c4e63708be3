"""Pages as they are read."""

from django.http import HttpResponse


def words(page: HttpResponse) -> str:
    """The page with single spaces: where its template breaks a line says nothing."""
    return " ".join(page.content.decode().split())
