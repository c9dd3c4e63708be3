"""The Test API page: fill in the tree, press Test Configuration, read the answer."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from externalapi import bodies
from externalapi.batching import TooBigError
from externalapi.body import BodyError
from externalapi.configuration_tests import (
    TooManyTestsError,
    run_test,
    search_users_url,
)
from externalapi.definition import InvalidParameterError, MissingParameterError
from externalapi.models import ConfigurationTest, ExternalAPI, ExternalAPIVersion
from externalapi.parameters import Level, Parameter
from externalapi.secrets import SecretError
from externalapi.testing_form import TestConfigurationForm, initial_values
from externalapi.tree import nodes

TESTS_SHOWN = 10
# What a stored outcome looks like on the page.
TONES = {
    "sent": "success",
    "accepted_unverified": "warning",
    "rate_limited": "warning",
    "ambiguous": "warning",
}


class TestAPIPage:
    """Mixed into the External API's admin."""

    # pytest collects classes by this name.
    __test__ = False

    admin_site: Any
    opts: Any
    has_view_permission: Any

    def has_test_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("externalapi.test_externalapi")

    def test_api_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        external_api = get_object_or_404(
            ExternalAPI.objects.select_related("current_version__connection"), pk=pk
        )
        if not self.has_test_permission(request):
            raise PermissionDenied
        version = external_api.current_version
        if version is None:
            raise Http404
        # The page needs the External API's name; it is the one at hand.
        version.external_api = external_api
        if request.method == "POST":
            return self._test(request, version)
        shown = self._shown_test(request, external_api)
        typed = shown.values if shown else self._last_typed(request, external_api)
        form = TestConfigurationForm(
            _parameters(version), initial=initial_values(_parameters(version), typed)
        )
        return self._test_page(request, version, form, shown)

    def _test(self, request: HttpRequest, version: ExternalAPIVersion) -> HttpResponse:
        form = TestConfigurationForm(_parameters(version), request.POST)
        if not form.is_valid():
            return self._test_page(request, version, form, None)
        try:
            test = run_test(version, form.values, request.user)  # type: ignore[arg-type]
        except (MissingParameterError, InvalidParameterError) as e:
            form.add_error(form.names.get(e.name), str(e))
        except (TooManyTestsError, SecretError, BodyError, TooBigError) as e:
            messages.error(request, str(e))
        else:
            page = reverse(
                "admin:externalapi_externalapi_test", args=[version.external_api_id]
            )
            return redirect(f"{page}?test={test.pk}#answer")
        return self._test_page(request, version, form, None)

    def _test_page(
        self,
        request: HttpRequest,
        version: ExternalAPIVersion,
        form: TestConfigurationForm,
        shown: ConfigurationTest | None,
    ) -> HttpResponse:
        body = bodies.parse(version.body_kind, version.body)
        in_path, in_headers, in_body = nodes(version.target, version.headers, body)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Test API: {version.external_api}",
            "original": version.external_api,
            "external_api": version.external_api,
            "version": version,
            "connection": version.connection,
            "form": form,
            "fields": form.fields_by_parameter(),
            "fixed": {
                p.name: p.value for p in _parameters(version) if p.level is Level.FIXED
            },
            "trees": [tree for tree in (in_path, in_headers, in_body) if tree],
            "shown": shown,
            "tone": _tone(shown),
            "search_users_url": search_users_url(version.connection),
            "tests": [(test, _tone(test)) for test in _tests(version.external_api)],
        }
        return TemplateResponse(request, "externalapi/test_api.html", context)

    def _shown_test(
        self, request: HttpRequest, external_api: ExternalAPI
    ) -> ConfigurationTest | None:
        wanted = request.GET.get("test", "")
        if not (wanted.isdecimal() and len(wanted) < 19):
            return None
        tests = ConfigurationTest.objects.select_related("version", "user")
        return tests.filter(pk=int(wanted), version__external_api=external_api).first()

    def _last_typed(
        self, request: HttpRequest, external_api: ExternalAPI
    ) -> dict[str, str]:
        last = (
            ConfigurationTest.objects.filter(
                version__external_api=external_api, user_id=request.user.pk or 0
            )
            .order_by("-at")
            .first()
        )
        return last.values if last else {}


def _tests(external_api: ExternalAPI) -> QuerySet[ConfigurationTest]:
    tests = ConfigurationTest.objects.filter(version__external_api=external_api)
    return tests.select_related("version", "user").order_by("-at")[:TESTS_SHOWN]


def _tone(test: ConfigurationTest | None) -> str:
    if test is None or not test.response:
        return "neutral"
    if test.is_success:
        return "success"
    outcome = test.response.get("outcome", "")
    return "warning" if outcome == "sent" else TONES.get(outcome, "danger")


def _parameters(version: ExternalAPIVersion) -> tuple[Parameter, ...]:
    return tuple(Parameter.from_dict(item) for item in version.parameters)
