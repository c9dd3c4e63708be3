"""The short way in for views that need no session, no messages and no user.

What a website sends for each of its visitors has no cookie here, and its answer is no
page: of all middleware it needs SecurityMiddleware alone, which stands before this one.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver

View = Callable[[HttpRequest], HttpResponse]
Found = tuple[Callable[..., HttpResponse], dict[str, Any]]


class ShortWay:
    """Calls a view with `goes_short_way`, whose address is one fixed path, at once."""

    def __init__(self, get_response: View) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        found = self._views.get(request.path_info)
        if found is None:
            return self._get_response(request)
        view, arguments = found
        return view(request, **arguments)

    @cached_property
    def _views(self) -> dict[str, Found]:
        """By address."""
        return dict(_in(get_resolver().url_patterns, "/"))


def _in(
    patterns: Iterable[URLPattern | URLResolver], before: str
) -> Iterator[tuple[str, Found]]:
    for each in patterns:
        address = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _in(each.url_patterns, address)
        elif _is_short(each) and not each.pattern.converters:
            yield address, (each.callback, each.default_args)


def _is_short(pattern: URLPattern) -> bool:
    return getattr(pattern.callback, "goes_short_way", False)
