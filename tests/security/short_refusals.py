"""The site's addresses, where a refusal is said in words alone.

Else each is a page with the whole menu: a quarter of a walk over all pages by all groups.
"""

from django.http import HttpRequest, HttpResponse

from lemnisk_braze.urls import handler400, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

handler403 = f"{__name__}.refused"


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponse(str(exception), status=403)
