"""A connection's key: check it, and replace it without a gap."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime

from externalapi.connections import key_rotation
from externalapi.connections.access import why_not
from externalapi.connections.encryption import SecretError
from externalapi.connections.key_rules import problem_of
from externalapi.models import Connection
from externalapi.testing.connection_check import (
    CheckedJustNowError,
    KeyState,
    check,
    key_state,
)
from lemnisk_braze.lib.pages.confirm import with_why
from lemnisk_braze.lib.pages.context import context_of

HOURS = (1, 4, 24, 72, key_rotation.MAX_KEPT_HOURS)


class KeyPage:
    """Mixed into the connection's admin."""

    admin_site: Any
    opts: Any
    has_change_permission: Any
    log_change: Any

    def key_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.key_view)
        return [path("<int:pk>/key/", view, name="externalapi_connection_key")]

    def key_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the key's state; POST `act` does one of the acts below."""
        connection = get_object_or_404(Connection, pk=pk)
        if not self.has_change_permission(request, connection):
            raise PermissionDenied(why_not(connection, request.user))
        if request.method != "POST":
            return self._key_page(request, connection)
        act = request.POST.get("act", "")
        if act == "check":
            return self._check(request, connection, next_key=False)
        if not request.user.has_perm("externalapi.use_secret"):
            raise PermissionDenied
        if act == "check_next":
            return self._check(request, connection, next_key=True)
        if act == "set":
            return self._set(request, connection)
        return self._move(request, connection, act)

    def _check(
        self, request: HttpRequest, connection: Connection, *, next_key: bool
    ) -> HttpResponse:
        try:
            found = check(connection, request.user.get_username(), next_key=next_key)
        except (CheckedJustNowError, SecretError) as e:
            messages.error(request, str(e))
        else:
            what = "the new key" if next_key else "the connection"
            self.log_change(request, connection, f"Checked {what}: {found.words}")
        return redirect(key_url(connection))

    def _set(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        key = request.POST.get("key", "").strip()
        if error := problem_of(key, connection.auth):
            return self._key_page(request, connection, error=error)
        key_rotation.set_beside(connection, key)
        end = _ends(connection.next_key_last_four)
        said = with_why(request, f"Set a new key{end} beside the one in use.")
        self.log_change(request, connection, said)
        messages.success(request, "The new key waits. Check it, then switch.")
        return redirect(key_url(connection))

    def _move(
        self, request: HttpRequest, connection: Connection, act: str
    ) -> HttpResponse:
        hours = request.POST.get("hours", "")
        known = [str(hour) for hour in HOURS]
        kept = int(hours) if hours in known else key_rotation.KEPT_HOURS
        acts: dict[str, tuple[Callable[[], bool], str]] = {
            "switch": (
                lambda: key_rotation.switch(connection, timedelta(hours=kept)),
                f"Switched to the new key; the old one is kept for {kept} hours.",
            ),
            "discard": (
                lambda: key_rotation.discard(connection),
                "Discarded the key that waited.",
            ),
            "undo": (lambda: key_rotation.undo(connection), "The old key is in use."),
            "wipe": (lambda: key_rotation.wipe(connection), "Wiped the old key."),
        }
        do, said = acts.get(act, (lambda: False, ""))
        is_done = do()
        if is_done:
            self.log_change(request, connection, said)
            messages.success(request, said)
        else:
            messages.info(request, "Nothing was changed: it was not there any more.")
        return redirect(key_url(connection))

    def _key_page(
        self, request: HttpRequest, connection: Connection, error: str = ""
    ) -> HttpResponse:
        title = f"Key of {connection}"
        context = context_of(self.admin_site, request, title, connection) | {
            "connection": connection,
            "last_check": _shown(connection.last_check),
            "next_check": _shown(connection.next_key_check),
            "key_works": key_state(connection) is KeyState.WORKS,
            "hours": HOURS,
            "kept_hours": key_rotation.KEPT_HOURS,
            "error": error,
            "may_set": request.user.has_perm("externalapi.use_secret"),
        }
        return TemplateResponse(request, "externalapi/connection_key.html", context)


def in_words(connection: Connection, state: KeyState) -> str:
    """The badge: what is known of the key, which one it is, and since when."""
    if state is KeyState.MISSING:
        return "No key yet"
    end = connection.key_last_four
    if not connection.key_encrypted:
        which = "Needs none"
    else:
        which = f"Ends in {end}" if end else "Set"
    if state is KeyState.UNKNOWN:
        return f"{which}, not checked"
    at = parse_datetime(connection.last_check["at"])
    when = formats.date_format(timezone.localtime(at), "DATETIME_FORMAT")
    return f"{which}, {state} ({when})"


def key_url(connection: Connection) -> str:
    return reverse("admin:externalapi_connection_key", args=[connection.pk])


def _ends(end: str) -> str:
    return f" that ends in {end}" if end else ""


def _shown(stored: dict[str, Any]) -> dict[str, Any]:
    return {**stored, "at": parse_datetime(stored["at"])} if stored else {}
