"""An External API's versions and uses; duplicate, archive, and an old version back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from externalapi.connections.access import User, check_use, why_not
from externalapi.definitions import archive, versions
from externalapi.definitions.comparison import Change, changes, in_words
from externalapi.definitions.versions import Draft
from externalapi.models import ConfigurationTest, ExternalAPI, ExternalAPIVersion
from externalapi.models.usage import Use, uses_of
from lemnisk_braze.lib.pages.confirm import Question, confirm, with_why
from lemnisk_braze.lib.pages.context import context_of

VERSIONS_SHOWN = 100
PAGES = ("versions", "restore", "used", "duplicate", "archive", "unarchive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One version: what it changed, and who uses it."""

    version: ExternalAPIVersion
    changed: str
    is_current: bool
    is_tested: bool
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two versions, and what the second has that the first has not."""

    old: ExternalAPIVersion
    new: ExternalAPIVersion
    changes: list[Change]

    @property
    def before(self) -> str:
        return f"Version {self.old.number}"

    @property
    def after(self) -> str:
        return f"Version {self.new.number}"


class LifePages:
    """Mixed into the External API's admin."""

    admin_site: Any
    opts: Any
    has_view_permission: Any
    has_add_permission: Any
    has_change_permission: Any
    log_addition: Any
    log_change: Any

    def life_urls(self) -> list[URLPattern]:
        return [
            path(
                f"<int:pk>/{page}/",
                self.admin_site.admin_view(getattr(self, f"{page}_view")),
                name=f"externalapi_externalapi_{page}",
            )
            for page in PAGES
        ]

    # Pages that show

    def versions_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        external_api = _found(request, pk, self.has_view_permission)
        tests = ConfigurationTest.objects.filter(
            version=OuterRef("pk"), is_success=True
        )
        annotated = _with_connection(external_api).annotate(is_tested=Exists(tests))
        shown = list(annotated.order_by("-number")[:VERSIONS_SHOWN])
        context = {
            "title": f"Versions of {external_api}",
            "tab": "versions",
            "rows": _rows(external_api, shown),
            "versions": shown,
            "comparison": _comparison(request, shown),
            "can_restore": self.has_change_permission(request, external_api),
        }
        return self._page(request, external_api, "versions", context)

    def used_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        external_api = _found(request, pk, self.has_view_permission)
        numbers = dict(external_api.own_versions.values_list("pk", "number"))
        uses = [(use, numbers[use.version_id]) for use in external_api.uses()]
        current = external_api.current_version
        context = {
            "title": f"Where {external_api} is used",
            "tab": "used",
            "uses": uses,
            "is_behind": any(use.version_id != current.pk for use, _ in uses)
            if current
            else False,
        }
        return self._page(request, external_api, "used", context)

    def _page(
        self,
        request: HttpRequest,
        external_api: ExternalAPI,
        name: str,
        context: dict[str, Any],
    ) -> HttpResponse:
        title = context.pop("title")
        context |= context_of(
            self.admin_site, request, title, external_api, external_api=external_api
        )
        return TemplateResponse(request, f"externalapi/{name}.html", context)

    # Pages that ask

    def restore_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make a new version with the content of ?version=NUMBER."""
        external_api = _found(request, pk, self.has_change_permission)
        number = request.POST.get("version") or request.GET.get("version", "")
        if not (number.isdecimal() and len(number) < 10):
            return redirect(_url("versions", external_api))
        old = get_object_or_404(_with_connection(external_api), number=int(number))
        check_use(old.connection, request.user)
        if request.method == "POST":
            return self._restore(request, external_api, old)
        assert external_api.current_version is not None
        current = external_api.current_version
        question = Question(
            title=f"Restore version {old.number} of {external_api}?",
            button=f"Restore version {old.number}",
            back=external_api.get_absolute_url(),
            words=(
                "It becomes a new version with the content of the old one. Engagements "
                "keep the version that they have.",
            ),
            asks_why=True,
            hidden={"version": old.number},
            is_wide=True,
        )
        return confirm(
            self.admin_site,
            request,
            question,
            external_api,
            "externalapi/restore.html",
            changes=changes(Draft.of(current), Draft.of(old)),
            before=f"Version {current.number}, the current one",
            after=f"Version {old.number}, which comes back",
        )

    def _restore(
        self, request: HttpRequest, external_api: ExternalAPI, old: ExternalAPIVersion
    ) -> HttpResponse:
        before = external_api.current_version
        note = with_why(request, f"Version {old.number} restored.")
        new = versions.save_version(
            external_api,
            Draft.of(old),
            request.user,  # type: ignore[arg-type]
            note[:255],
        )
        if new == before:
            messages.info(
                request,
                f"Nothing was changed: version {new.number} says the same already.",
            )
        else:
            self.log_change(request, external_api, f"Version {new.number}: {note}")
            messages.success(
                request, f"Version {old.number} is back, as version {new.number}."
            )
        return redirect(_url("versions", external_api))

    def duplicate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        external_api = _found(request, pk, self.has_view_permission)
        if not self.has_add_permission(request):
            raise PermissionDenied
        if external_api.current_version is None:
            raise Http404
        check_use(external_api.current_version.connection, request.user)
        if request.method == "POST":
            copy = versions.duplicate(external_api, request.user)  # type: ignore[arg-type]
            message = with_why(request, f"Duplicated from “{external_api}”.")
            self.log_addition(request, copy, message)
            messages.success(request, f"“{copy}” is made. Test it before it is used.")
            return redirect(copy.get_absolute_url())
        question = Question(
            title=f"Duplicate “{external_api}”?",
            button="Duplicate",
            back=external_api.get_absolute_url(),
            words=(
                f"The copy begins as a draft with all of version "
                f"{external_api.current_version.number}. It is not connected with the "
                "original any further.",
            ),
            asks_why=True,
        )
        return confirm(self.admin_site, request, question, external_api)

    def archive_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        external_api = _found(request, pk, self.has_change_permission)
        if request.method == "POST":
            try:
                is_done = archive.archive(external_api)
            except archive.StillUsedError as e:
                messages.error(request, f"Nothing was archived. {e}")
                return redirect(_url("archive", external_api))
            return self._done(request, external_api, is_done, "Archived.")
        at_work = archive.uses_at_work(external_api)
        question = Question(
            title=f"Archive {external_api}?",
            button="Archive",
            tone="danger",
            back=external_api.get_absolute_url(),
            words=(
                "It leaves the list and can no longer be chosen in an Engagement. "
                "Nothing is deleted, and Unarchive brings it back.",
            ),
            refusal="End these Engagements first: they are at work with it."
            if at_work
            else "",
            asks_why=True,
        )
        return confirm(
            self.admin_site,
            request,
            question,
            external_api,
            "externalapi/archive.html",
            uses=at_work,
        )

    def unarchive_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        external_api = _found(request, pk, self.has_change_permission)
        if request.method == "POST":
            is_done = archive.unarchive(external_api)
            return self._done(request, external_api, is_done, "Unarchived.")
        question = Question(
            title=f"Unarchive {external_api}?",
            button="Unarchive",
            back=external_api.get_absolute_url(),
            words=("It is in the list again, and Engagements may choose it.",),
            asks_why=True,
        )
        return confirm(self.admin_site, request, question, external_api)

    def _done(
        self, request: HttpRequest, external_api: ExternalAPI, is_done: bool, what: str
    ) -> HttpResponse:
        if is_done:
            self.log_change(request, external_api, with_why(request, what))
            messages.success(request, f"“{external_api}”: {what.lower()}")
        else:
            messages.info(request, "Nothing was changed: somebody was first.")
        return redirect(external_api.get_absolute_url())


def _found(
    request: HttpRequest,
    pk: int,
    is_allowed: Callable[[HttpRequest, ExternalAPI], bool],
) -> ExternalAPI:
    external_api = get_object_or_404(
        ExternalAPI.objects.select_related("current_version__connection"), pk=pk
    )
    if not is_allowed(request, external_api):
        raise PermissionDenied(limit_of(external_api, request.user))
    return external_api


def limit_of(external_api: ExternalAPI, user: User) -> str:
    """Return why a user may not change it, if its connection is limited to others."""
    version = external_api.current_version
    return why_not(version.connection, user) if version else ""


def _url(page: str, external_api: ExternalAPI) -> str:
    return reverse(f"admin:externalapi_externalapi_{page}", args=[external_api.pk])


def _with_connection(external_api: ExternalAPI) -> Any:
    return external_api.own_versions.select_related("connection", "created_by")


def _rows(external_api: ExternalAPI, shown: list[ExternalAPIVersion]) -> list[Row]:
    uses = uses_of(version.pk for version in shown)
    before: list[ExternalAPIVersion | None] = [*shown[1:], None]
    return [
        Row(
            version=version,
            changed=in_words(Draft.of(old), Draft.of(version)) if old else "",
            is_current=version.pk == external_api.current_version_id,
            is_tested=version.is_tested,  # type: ignore[attr-defined]
            uses=tuple(use for use in uses if use.version_id == version.pk),
        )
        for version, old in zip(shown, before, strict=False)
    ]


def _comparison(
    request: HttpRequest, shown: list[ExternalAPIVersion]
) -> Comparison | None:
    """The two versions that are asked for, by default the newest two."""
    if len(shown) < 2:
        return None
    by_number = {str(version.number): version for version in shown}
    old = by_number.get(request.GET.get("old", ""), shown[1])
    new = by_number.get(request.GET.get("new", ""), shown[0])
    return Comparison(old=old, new=new, changes=changes(Draft.of(old), Draft.of(new)))
