"""Test cases of an External API: their last results, and what they keep back."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F
from django.urls import reverse

from externalapi.models import (
    ConfigurationTest,
    ExternalAPI,
    ExternalAPIVersion,
    TestCase,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """A case with its last test on a version; None: not run on it as it is now."""

    case: TestCase
    test: ConfigurationTest | None

    @property
    def has_passed(self) -> bool:
        return self.test is not None and self.test.has_passed


def results(external_api: ExternalAPI, version: ExternalAPIVersion) -> list[CaseResult]:
    """Return every case by name, with what it came to on a version.

    A test from before the case was changed does not count.
    """
    tests = (
        ConfigurationTest.objects.filter(
            version=version,
            at__gte=F("case__changed_at"),
            case__external_api=external_api,
        )
        .select_related("user", "version")
        .order_by("case", "-at", "-pk")
        .distinct("case")
    )
    last = {test.case_id: test for test in tests}
    cases = external_api.test_cases.order_by("name")
    return [CaseResult(case=case, test=last.get(case.pk)) for case in cases]


def why_not(version: ExternalAPIVersion) -> str:
    """Return what keeps engagements of a version from being activated, and what to do.

    Empty where its External API does not ask for test cases, or all of them passed.
    """
    version = version.base
    external_api = version.external_api
    if not external_api.must_pass_cases:
        return ""
    found = results(external_api, version)
    if not found:
        return (
            f"“{external_api}” must pass its test cases first, and has none yet. Add "
            "one under Test API > Test cases and run it."
        )
    failed = [one.case for one in found if one.test and not one.has_passed]
    missing = [one.case for one in found if one.test is None]
    if not failed and not missing:
        return ""
    state = [
        f"{words}: {_names(cases)}."
        for words, cases in (("Failed", failed), ("Not run on it yet", missing))
        if cases
    ]
    return (
        f"“{external_api}” must pass its test cases on version {version.number} first. "
        f"{' '.join(state)} Run them under Test API > Test cases."
    )


def url(version: ExternalAPIVersion) -> str:
    """Return the page with the results on a version."""
    name = "admin:externalapi_externalapi_test_cases"
    return f"{reverse(name, args=[version.external_api_id])}?version={version.number}"


def _names(cases: Sequence[TestCase]) -> str:
    return ", ".join(f"“{case}”" for case in cases)
