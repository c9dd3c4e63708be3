"""The tests of an External API: all of them, one again, and two side by side."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone

from externalapi.admin.testing.page import TestAPIPage, find_test, test_url, tests_of
from externalapi.admin.testing.view import ShownTest
from externalapi.connections.access import LimitedConnectionError
from externalapi.connections.encryption import SecretError
from externalapi.definitions.diff import Row, diff_lines
from externalapi.models import ExternalAPI
from externalapi.testing.runs import TooManyTestsError, run_test

PER_PAGE = 20
# What the filter offers, with whether such a test was successful.
RESULTS: dict[str, bool | None] = {"": None, "successful": True, "failed": False}


class TestHistoryPages(TestAPIPage):
    """Mixed into the External API's admin."""

    def test_api_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        name = "externalapi_externalapi_test"
        return [
            path("<int:pk>/test/history/", view(self.history), name=f"{name}_history"),
            path("<int:pk>/test/compare/", view(self.compare), name=f"{name}_compare"),
            path("<int:pk>/test/rerun/", view(self.rerun), name=f"{name}_rerun"),
            *super().test_api_urls(),
        ]

    def history(self, request: HttpRequest, pk: int) -> HttpResponse:
        version = self.tested_version(request, pk)
        wanted = request.GET.get("result", "")
        found = _history(request, version.external_api, RESULTS.get(wanted))
        page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
        context = {
            **self.test_context(request, version, "Tests"),
            "result": wanted if wanted in RESULTS else "",
            "results": [(code, code.capitalize() or "All") for code in RESULTS],
            "page": page,
            "tests": [ShownTest(test) for test in page],
            "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2),
        }
        return TemplateResponse(request, "externalapi/test_history.html", context)

    def compare(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show two tests side by side, `?test=1&test=2`, the older one first."""
        version = self.tested_version(request, pk)
        wanted = request.GET.getlist("test")
        found = [find_test(request, version.external_api, one) for one in wanted[:2]]
        tests = sorted(filter(None, found), key=lambda test: test.at)
        if len(wanted) != 2 or len({test.pk for test in tests}) != 2:
            messages.warning(request, "Choose two tests to compare.")
            return redirect(_history_url(pk))
        before, after = (ShownTest(test) for test in tests)
        parts = _differences(before, after)
        context = {
            **self.test_context(request, version, "Compare tests"),
            "both": (before, after),
            "titles": [_title(shown) for shown in (before, after)],
            "different": [(name, rows) for name, rows in parts if rows],
            "equal": [name for name, rows in parts if not rows],
        }
        return TemplateResponse(request, "externalapi/test_compare.html", context)

    def rerun(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send a test's inputs again: with its own version, or with the current one."""
        current = self.tested_version(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        test = find_test(request, current.external_api, request.POST.get("test", ""))
        if test is None:
            messages.warning(request, "This test is not there any more.")
            return redirect(_history_url(pk))
        is_own = request.POST.get("version") == "own"
        version = test.version if is_own else current
        try:
            return redirect(test_url(run_test(version, test.values, request.user)))  # type: ignore[arg-type]
        except (
            TooManyTestsError,
            SecretError,
            LimitedConnectionError,
            ValueError,
        ) as e:
            messages.error(request, f"Nothing was sent. {str(e).rstrip('.')}.")
        return redirect(test_url(test))


def _history_url(pk: int) -> str:
    return reverse("admin:externalapi_externalapi_test_history", args=[pk])


def _history(
    request: HttpRequest, external_api: ExternalAPI, is_success: bool | None
) -> Any:
    tests = tests_of(request, external_api)
    if is_success is not None:
        tests = tests.filter(is_success=is_success)
    related = tests.select_related("version__connection", "user", "case")
    return related.order_by("-at", "-pk")


def _differences(before: ShownTest, after: ShownTest) -> list[tuple[str, list[Row]]]:
    """Return the parts of two tests by name, each with the rows that differ."""
    parts = zip(_parts(before), _parts(after), strict=True)
    return [(name, diff_lines(old, new)) for (name, old), (_, new) in parts]


def _parts(shown: ShownTest) -> list[tuple[str, str]]:
    request, response = shown.request, shown.response
    line = f"{request.get('method', '')} {request.get('url', '')}".strip()
    return [
        ("Test values", _lines(shown.test.values)),
        ("Address", line),
        ("Headers of the request", _lines(request.get("headers", {}))),
        ("Body of the request", shown.request_body),
        ("Status", shown.badge),
        ("Meaning", response.get("explanation", "")),
        ("Headers of the answer", _lines(response.get("headers", {}))),
        ("Body of the answer", shown.body),
    ]


def _title(shown: ShownTest) -> str:
    at = formats.date_format(timezone.localtime(shown.test.at), "DATETIME_FORMAT")
    return f"{at}, version {shown.test.version.number}"


def _lines(pairs: dict[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in sorted(pairs.items()))
