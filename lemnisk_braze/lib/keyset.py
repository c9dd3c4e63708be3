"""Lists in pages by key: each page costs the same, however deep it lies.

A page begins behind the key of a row that the reader has seen, which an index finds at
once; a page by number would read, and throw away, all rows before it.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

OLDER, NEWER, OLDEST = "older", "newer", "oldest"
# Between the parts of a key: neither times nor ids have it.
SEPARATOR = "~"


class Pages:
    """What the list's foot shows; each address, or "" where there is no such page."""

    template_name = "lemnisk_braze/keyset_pages.html"

    def __init__(self, newest: str, newer: str, older: str, oldest: str) -> None:
        self.newest, self.newer, self.older, self.oldest = newest, newer, older, oldest


class KeysetChangeList(ChangeList):  # type: ignore[misc]
    """One page, newest first: by the admin's `ordering`, all of it descending."""

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str] | None = None
    ) -> QuerySet[Model]:
        """All rows asked for; where in them the reader is, is no filter of theirs."""
        self.place = {
            name: request.GET[name]
            for name in (OLDER, NEWER, OLDEST)
            if name in request.GET
        }
        for name in self.place:
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        rows: QuerySet[Model] = super().get_queryset(request, exclude_parameters)
        return rows

    def get_ordering(
        self, request: HttpRequest, queryset: QuerySet[Model]
    ) -> list[str]:
        return [f"-{name}" for name in self._keys]

    def get_results(self, request: HttpRequest) -> None:
        size = self.list_per_page
        rows, is_first, is_last = self._page(self.queryset, size)
        self.result_list = rows
        self.result_count = len(rows)
        self.full_result_count = None
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = True
        self.paginator = Pages(
            newest="" if is_first else self.get_query_string(),
            newer="" if is_first else self._address(NEWER, rows[:1]),
            older="" if is_last else self._address(OLDER, rows[-1:]),
            oldest="" if is_last else self.get_query_string({OLDEST: "1"}),
        )

    @property
    def _keys(self) -> list[str]:
        names = [name.removeprefix("-") for name in self._get_default_ordering()]
        names = ["pk" if name == self.opts.pk.name else name for name in names]
        return names if "pk" in names else [*names, "pk"]

    def _page(
        self, queryset: QuerySet[Model], size: int
    ) -> tuple[list[Model], bool, bool]:
        """The rows, and whether they are the newest, and the oldest, of all."""
        backwards = queryset.order_by(*self._keys)
        if OLDER in self.place:
            older = queryset.filter(self._beyond(self.place[OLDER], "lt"))
            rows = list(older[: size + 1])
            return rows[:size], False, len(rows) <= size
        if NEWER in self.place:
            newer = backwards.filter(self._beyond(self.place[NEWER], "gt"))
            rows = list(newer[: size + 1])
            # A short page would be the first one with rows missing at its end.
            if len(rows) > size:
                return rows[:size][::-1], False, False
        elif OLDEST in self.place:
            rows = list(backwards[: size + 1])
            return rows[:size][::-1], len(rows) <= size, True
        rows = list(queryset[: size + 1])
        return rows[:size], True, len(rows) <= size

    def _address(self, direction: str, rows: Sequence[Model]) -> str:
        if not rows:
            return ""
        parts = (getattr(rows[0], name) for name in self._keys)
        texts = (p.isoformat() if hasattr(p, "isoformat") else str(p) for p in parts)
        address: str = self.get_query_string({direction: SEPARATOR.join(texts)})
        return address

    def _beyond(self, key: str, comparison: str) -> Q:
        """The rows before or behind the key's; raises IncorrectLookupParameters."""
        texts = key.split(SEPARATOR)
        if len(texts) != len(self._keys):
            raise IncorrectLookupParameters(f"{key} is no key of this list.")
        fields = [
            self.opts.pk if name == "pk" else self.opts.get_field(name)
            for name in self._keys
        ]
        try:
            values = [
                field.to_python(text) for field, text in zip(fields, texts, strict=True)
            ]
        except ValidationError as e:
            raise IncorrectLookupParameters(e) from e
        found, same = Q(), Q()
        for name, value in zip(self._keys, values, strict=True):
            found |= same & Q(**{f"{name}__{comparison}": value})
            same &= Q(**{name: value})
        # Said once more of the first column alone, which the index begins with.
        return found & Q(**{f"{self._keys[0]}__{comparison}e": values[0]})


class KeysetList:
    """For a ModelAdmin whose table grows by the million."""

    # Most of a page's time goes into drawing its rows.
    list_per_page = 50
    show_full_result_count = False
    # Any other order than the index's would sort everything for each page.
    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetChangeList
