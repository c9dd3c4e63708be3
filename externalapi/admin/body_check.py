"""What the editor asks while a body is written. Nothing is stored."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin

from externalapi.forms.external_api import ExternalAPIForm


class BodyCheck(ModelAdmin):
    """The address that a form is posted to, to hear what is to be said of its body."""

    def body_check_urls(self) -> list[URLPattern]:
        return [
            path(
                "check-body/",
                self.admin_site.admin_view(self.check_body_view),
                name="externalapi_externalapi_check_body",
            )
        ]

    def check_body_view(self, request: HttpRequest) -> HttpResponse:
        if not (
            self.has_add_permission(request) or self.has_change_permission(request)
        ):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = type("CheckedForm", (ExternalAPIForm,), {"user": request.user})
        return JsonResponse(form(request.POST).check().to_dict())
