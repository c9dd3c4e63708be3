"""Test cases: saved inputs with what should come of them, run one by one or all."""

import time
import uuid
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    JsonResponse,
)
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from externalapi.admin.testing.history import TestHistoryPages
from externalapi.admin.testing.page import find_test, test_url
from externalapi.admin.testing.view import ShownTest
from externalapi.connections.access import LimitedConnectionError
from externalapi.connections.encryption import SecretError
from externalapi.forms.test_values import TestConfigurationForm, initial_values
from externalapi.models import (
    ConfigurationTest,
    ExternalAPI,
    ExternalAPIVersion,
    TestCase,
)
from externalapi.testing import cases
from externalapi.testing.expectations import read_path
from externalapi.testing.runs import MAX_CASES, TooManyTestsError, run_case
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.names import one_line
from lemnisk_braze.lib.pages.confirm import Question, confirm

# Without scripts one request of the browser runs cases for so long, and no longer.
ROUND_SECONDS = 10


class TestCaseForm(forms.ModelForm):  # type: ignore[type-arg]
    """The name and the expectations; the inputs are a TestConfigurationForm."""

    # pytest collects classes by this name.
    __test__ = False

    class Meta:
        model = TestCase
        fields = ("name", "outcome", "status", "answer_path", "answer_value")

    def clean_name(self) -> str:
        name = one_line(self.cleaned_data["name"].strip())
        same = TestCase.objects.filter(
            external_api=self.instance.external_api, name=name
        )
        if same.exclude(pk=self.instance.pk).exists():
            raise ValidationError("There is a test case of this name already.")
        return name

    def clean_status(self) -> int | None:
        status: int | None = self.cleaned_data["status"]
        if status is not None and not 100 <= status <= 599:
            raise ValidationError("A status is a number from 100 to 599.")
        return status

    def clean_answer_path(self) -> str:
        typed: str = self.cleaned_data["answer_path"].strip()
        if typed:
            try:
                read_path(typed)
            except ValueError as e:
                raise ValidationError(str(e)) from e
        return typed

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("answer_value") and cleaned.get("answer_path") == "":
            self.add_error("answer_path", "Say where in the answer this value stands.")
        return cleaned


class TestCasePages(TestHistoryPages):
    """Mixed into the External API's admin."""

    log_change: Any
    has_change_permission: Any

    def test_api_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        name = "externalapi_externalapi_test_cases"
        return [
            path("<int:pk>/test/cases/", view(self.cases_view), name=name),
            path("<int:pk>/test/cases/run/", view(self.run_view), name=f"{name}_run"),
            *super().test_api_urls(),
        ]

    def cases_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The list; `?edit=ID` one of them, `?add` a new one, `?from=TEST` from a test."""
        current = self.tested_version(request, pk)
        if request.method == "POST":
            return self._change(request, current)
        if doomed := _case(current.external_api, request.GET.get("delete", "")):
            return self._ask_delete(request, doomed)
        case = _case(current.external_api, request.GET.get("edit", ""))
        test = find_test(request, current.external_api, request.GET.get("from", ""))
        form = inputs = None
        if case or test or "add" in request.GET:
            case = case or TestCase(external_api=current.external_api)
            typed = test.values if test else case.values
            form = TestCaseForm(instance=case, initial=_expected(test))
            inputs = TestConfigurationForm(
                current.read_parameters(),
                initial=initial_values(current.read_parameters(), typed),
            )
        return self._cases_page(request, current, form, inputs)

    def _ask_delete(self, request: HttpRequest, case: TestCase) -> HttpResponse:
        question = Question(
            title=f"Delete the test case “{case}”?",
            button="Delete",
            back=cases_url(case.external_api_id),
            words=["The tests that were sent for it stay on record."],
            tone="danger",
            hidden={"case": case.pk, "_delete": "1"},
        )
        return confirm(self.admin_site, request, question, case.external_api)

    def _change(
        self, request: HttpRequest, version: ExternalAPIVersion
    ) -> HttpResponse:
        external_api = version.external_api
        if "_gate" in request.POST:
            return self._set_gate(request, external_api)
        case = _case(external_api, request.POST.get("case", ""))
        if "_delete" in request.POST:
            if case:
                case.delete()
                self._log(request, external_api, f"Deleted the test case “{case}”.")
            return redirect(cases_url(external_api.pk))
        case = case or TestCase(external_api=external_api)
        form = TestCaseForm(request.POST, instance=case)
        inputs = TestConfigurationForm(version.read_parameters(), request.POST)
        if not (form.is_valid() & inputs.is_valid()) or not _save(
            form, inputs, request
        ):
            return self._cases_page(request, version, form, inputs)
        self._log(request, external_api, f"Saved the test case “{case}”.")
        return redirect(cases_url(external_api.pk))

    def _set_gate(
        self, request: HttpRequest, external_api: ExternalAPI
    ) -> HttpResponse:
        if not self.has_change_permission(request, external_api):
            raise PermissionDenied
        must_pass = request.POST["_gate"] == "on"
        ExternalAPI.objects.filter(pk=external_api.pk).update(must_pass_cases=must_pass)
        self._log(
            request,
            external_api,
            "Test cases must pass before an engagement is activated."
            if must_pass
            else "Engagements are activated without a look at the test cases.",
        )
        return redirect(cases_url(external_api.pk))

    def _log(self, request: HttpRequest, external_api: ExternalAPI, text: str) -> None:
        self.log_change(request, external_api, text)
        messages.success(request, text)

    def _cases_page(
        self,
        request: HttpRequest,
        current: ExternalAPIVersion,
        form: TestCaseForm | None,
        inputs: TestConfigurationForm | None,
    ) -> HttpResponse:
        version = _version(current, request.GET.get("version", ""))
        found = cases.results(current.external_api, version)
        round_id = _round(request.GET.get("round", ""))
        context = {
            **self.test_context(request, current, "Test cases"),
            "case_version": version,
            "results": [
                (one, ShownTest(one.test) if one.test else None) for one in found
            ],
            "passed": sum(one.has_passed for one in found),
            "max_cases": MAX_CASES,
            "round": round_id or uuid.uuid4(),
            "left": _left(found, round_id),
            "why_not": cases.why_not(version),
            "can_change": self.has_change_permission(request, current.external_api),
            "form": form,
            "inputs": inputs,
        }
        return TemplateResponse(request, "externalapi/test_cases.html", context)

    def run_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Run `case`, else all that have not run in this `round` yet, for a while."""
        current = self.tested_version(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        version = _version(current, request.POST.get("version", ""))
        round_id = _round(request.POST.get("round", ""))
        if "case" not in request.POST:
            return self._run_all(request, version, round_id or uuid.uuid4())
        case = _case(current.external_api, request.POST["case"])
        if case is None:
            return _told(request, version, "This test case is not there any more.", 404)
        try:
            test = run_case(case, version, request.user, round_id)  # type: ignore[arg-type]
        except TooManyTestsError as e:
            return _told(request, version, str(e), 429)
        except SecretError as e:
            return _told(request, version, str(e), 409)
        except LimitedConnectionError as e:
            return _told(request, version, str(e), 403)
        if _wants_json(request):
            return JsonResponse(_result(test))
        return redirect(cases.url(version))

    def _run_all(
        self, request: HttpRequest, version: ExternalAPIVersion, round_id: uuid.UUID
    ) -> HttpResponse:
        started = time.monotonic()
        found = cases.results(version.external_api, version)
        for case in _left(found, round_id):
            try:
                run_case(case, version, request.user, round_id)  # type: ignore[arg-type]
            except (TooManyTestsError, SecretError, LimitedConnectionError) as e:
                messages.error(request, str(e))
                break
            if time.monotonic() - started > ROUND_SECONDS:
                break
        return redirect(f"{cases.url(version)}&round={round_id}")


def cases_url(pk: int) -> str:
    return reverse("admin:externalapi_externalapi_test_cases", args=[pk])


@transaction.atomic
def _save(
    form: TestCaseForm, inputs: TestConfigurationForm, request: HttpRequest
) -> bool:
    """Save a valid case; False, with an error on the form, where there are too many."""
    case: TestCase = form.instance
    # Locked, so that two people who add at once do not make one too many.
    ExternalAPI.objects.select_for_update(of=("self",)).get(pk=case.external_api_id)
    count = TestCase.objects.filter(external_api=case.external_api_id).count()
    if case.pk is None and count >= MAX_CASES:
        form.add_error(None, f"There are {MAX_CASES} test cases, which is the most.")
        return False
    case.values = inputs.values
    case.changed_at = database_clock.now()
    case.changed_by_id = request.user.pk
    form.save()
    return True


def _case(external_api: ExternalAPI, wanted: str) -> TestCase | None:
    if not (wanted.isdecimal() and len(wanted) < 19):
        return None
    return external_api.test_cases.filter(pk=int(wanted)).first()


def _version(current: ExternalAPIVersion, wanted: str) -> ExternalAPIVersion:
    """Return the version of this number, else the current one."""
    if not (wanted.isdecimal() and len(wanted) < 9) or int(wanted) == current.number:
        return current
    versions = current.external_api.own_versions.select_related("connection")
    return versions.filter(number=int(wanted)).first() or current


def _round(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _left(found: list[cases.CaseResult], round_id: uuid.UUID | None) -> list[TestCase]:
    """Return the cases that have not run in the round."""
    ran = {one.test.case_id for one in found if one.test and one.test.round == round_id}
    return [one.case for one in found if round_id is None or one.case.pk not in ran]


def _expected(test: ConfigurationTest | None) -> dict[str, Any]:
    """Return what a case that is made from a test expects: the same again."""
    if test is None:
        return {}
    is_accepted = test.is_success
    outcome = TestCase.Outcome.ACCEPTED if is_accepted else TestCase.Outcome.REFUSED
    return {"outcome": outcome, "status": test.response.get("status")}


def _wants_json(request: HttpRequest) -> bool:
    return request.accepts("application/json") and not request.accepts("text/html")


def _told(
    request: HttpRequest, version: ExternalAPIVersion, text: str, status: int
) -> HttpResponse:
    if _wants_json(request):
        return JsonResponse({"error": text}, status=status)
    messages.error(request, text)
    return redirect(cases.url(version))


def _result(test: ConfigurationTest) -> Mapping[str, Any]:
    shown = ShownTest(test)
    return {
        "passed": test.has_passed,
        "problem": test.case_problem,
        "badge": shown.badge,
        "duration_ms": test.response["duration_ms"],
        "url": test_url(test),
    }
