"""The Test API page: fill in the tree, press Test Configuration, read the answer."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from externalapi.admin.testing.view import ShownTest
from externalapi.connections.access import check_use
from externalapi.connections.encryption import SecretError
from externalapi.definitions.compiled import (
    InvalidParameterError,
    MissingParameterError,
)
from externalapi.definitions.renames import renames, with_new_names
from externalapi.forms.test_values import TestConfigurationForm, initial_values
from externalapi.forms.value_tree import nodes
from externalapi.models import ConfigurationTest, ExternalAPI, ExternalAPIVersion
from externalapi.template import bodies
from externalapi.template.parameters import Level
from externalapi.template.parser import BodyError
from externalapi.testing import cases, explanations
from externalapi.testing.dry_run import DryRun, dry_run
from externalapi.testing.records import pretty
from externalapi.testing.runs import TooManyTestsError, run_test
from lemnisk_braze.lib.pages.context import context_of

TESTS_SHOWN = 5

# Of the app beside this one, by their names.
SEE_PEOPLE = ("segments.view_profile", "segments.view_personal_data")


class TestAPIPage:
    """Mixed into the External API's admin."""

    # pytest collects classes by this name.
    __test__ = False

    admin_site: Any
    opts: Any
    has_view_permission: Any

    def test_api_urls(self) -> list[URLPattern]:
        page = path(
            "<int:pk>/test/",
            self.admin_site.admin_view(self.test_api_view),
            name="externalapi_externalapi_test",
        )
        return [page]

    def has_test_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("externalapi.test_externalapi")

    def tested_version(self, request: HttpRequest, pk: int) -> ExternalAPIVersion:
        """Return the current version, for a user who may test it."""
        external_api = get_object_or_404(
            ExternalAPI.objects.select_related("current_version__connection"), pk=pk
        )
        if not self.has_test_permission(request):
            raise PermissionDenied
        version = external_api.current_version
        if version is None:
            raise Http404
        check_use(version.connection, request.user)
        # The pages need the External API's name; it is the one at hand.
        version.external_api = external_api
        return version

    def test_context(
        self, request: HttpRequest, version: ExternalAPIVersion, title: str
    ) -> dict[str, Any]:
        """Return what the head of the page, its history and its cases share."""
        external_api = version.external_api
        title = f"{title}: {external_api}"
        return context_of(self.admin_site, request, title, external_api) | {
            "external_api": version.external_api,
            "version": version,
            "connection": version.connection,
            # Whoever knows people offers to fill the inputs with their data.
            # And what comes after a good test, whoever is above.
            "next_templates": [
                "engagements/after_test.html",
                "externalapi/no_next.html",
            ],
            "people_templates": [
                "engagements/fill_from_person.html",
                "externalapi/no_people.html",
            ],
        }

    def test_api_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        version = self.tested_version(request, pk)
        if request.method == "POST":
            return self._test(request, version)
        wanted = request.GET.get("test", "")
        shown = find_test(request, version.external_api, wanted)
        last = shown or _last_test(request, version.external_api)
        typed = _typed(last, version) if last else {}
        form = TestConfigurationForm(
            version.read_parameters(),
            initial=initial_values(version.read_parameters(), typed),
        )
        return self._test_page(request, version, form, shown=shown)

    def _test(self, request: HttpRequest, version: ExternalAPIVersion) -> HttpResponse:
        form = TestConfigurationForm(version.read_parameters(), request.POST)
        if not form.is_valid():
            return self._test_page(request, version, form)
        try:
            if "_dry_run" in request.POST:
                would_send = dry_run(version, form.values)
                return self._test_page(request, version, form, would_send=would_send)
            test = run_test(version, form.values, request.user)  # type: ignore[arg-type]
        except (MissingParameterError, InvalidParameterError) as e:
            form.add_error(form.names.get(e.name), str(e))
        except (TooManyTestsError, SecretError, ValueError) as e:
            messages.error(request, str(e))
        else:
            return redirect(test_url(test))
        return self._test_page(request, version, form)

    def _test_page(
        self,
        request: HttpRequest,
        version: ExternalAPIVersion,
        form: TestConfigurationForm,
        shown: ConfigurationTest | None = None,
        would_send: DryRun | None = None,
    ) -> HttpResponse:
        parameters = version.read_parameters()
        context = {
            **self.test_context(request, version, "Test API"),
            "form": form,
            "fields": form.fields_by_parameter(),
            "fixed": {p.name: p.value for p in parameters if p.level is Level.FIXED},
            "trees": _trees(version),
            "shown": ShownTest(shown) if shown else None,
            "would_send": would_send,
            "would_send_body": pretty(would_send.request["body"]) if would_send else "",
            "search_users_url": explanations.search_users_url(version.connection),
            "tests": [
                ShownTest(test) for test in _tests(request, version.external_api)
            ],
            "cases": cases.results(version.external_api, version),
        }
        return TemplateResponse(request, "externalapi/test_api.html", context)


def test_url(test: ConfigurationTest) -> str:
    """Return the page with one test's answer."""
    external_api_id = test.version.external_api_id
    page = reverse("admin:externalapi_externalapi_test", args=[external_api_id])
    return f"{page}?test={test.pk}#answer"


def tests_of(
    request: HttpRequest, external_api: ExternalAPI
) -> QuerySet[ConfigurationTest]:
    """Its tests that the user may see: what was typed and answered names people.

    Who may not see people's data sees the tests that they sent themselves.
    """
    tests = ConfigurationTest.objects.filter(version__external_api=external_api)
    if request.user.has_perms(SEE_PEOPLE):
        return tests
    return tests.filter(user_id=request.user.pk or 0)


def find_test(
    request: HttpRequest, external_api: ExternalAPI, wanted: str
) -> ConfigurationTest | None:
    """Return the External API's test of this id as typed, None where it has none."""
    if not (wanted.isdecimal() and len(wanted) < 19):
        return None
    tests = tests_of(request, external_api).select_related(
        "version__external_api", "version__connection", "user", "case"
    )
    return tests.filter(pk=int(wanted)).first()


def _trees(version: ExternalAPIVersion) -> list[Any]:
    try:
        body = bodies.parse(version.body_kind, version.body)
    except BodyError:
        body = None
    kind = version.body_kind
    return nodes(version.path, version.query, version.headers, body, kind)


def _last_test(
    request: HttpRequest, external_api: ExternalAPI
) -> ConfigurationTest | None:
    tests = ConfigurationTest.objects.filter(
        version__external_api=external_api, user_id=request.user.pk or 0
    )
    return tests.select_related("version").order_by("-at").first()


def _typed(test: ConfigurationTest, version: ExternalAPIVersion) -> dict[str, str]:
    """Return what was typed for a test, by the names that a version has."""
    if test.version_id == version.pk:
        return dict(test.values)
    return with_new_names(test.values, renames(test.version, version))


def _tests(request: HttpRequest, external_api: ExternalAPI) -> list[ConfigurationTest]:
    tests = tests_of(request, external_api)
    with_names = tests.select_related("version__connection", "user", "case")
    return list(with_names.order_by("-at")[:TESTS_SHOWN])
