"""Lists in pages by key: each page costs the same, however deep it lies.

A page begins behind the key of a row that the reader has seen, which an index finds at
once; a page by number would read, and throw away, all rows before it.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin import ShowFacets
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

OLDER, NEWER, OLDEST = "older", "newer", "oldest"
# Between the parts of a key: neither times nor ids have it.
SEPARATOR = "~"
# Of so many rows, by their ids, those are looked for that no index has: a part of a second.
LOOKED_THROUGH = 200_000
# A page, and the keys that the newer and the older one begin behind: None where there is
# no such page.
Page = tuple[list[Model], str | None, str | None]


class Pages:
    """What the list's foot shows; each address, or "" where there is no such page.

    `is_part`: no more than a part of the rows was looked through for this page.
    """

    template_name = "lemnisk_braze/keyset_pages.html"

    def __init__(
        self, newest: str, newer: str, older: str, oldest: str, *, is_part: bool
    ) -> None:
        self.newest, self.newer, self.older, self.oldest = newest, newer, older, oldest
        self.is_part = is_part


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
        self.is_part = False
        self.candidates: QuerySet[Model] | None = None
        if (unindexed := self.model_admin.unindexed) and request.GET.get(unindexed):
            self.candidates = super().get_queryset(request, [unindexed])
        rows: QuerySet[Model] = super().get_queryset(request, exclude_parameters)
        return rows

    def get_ordering(
        self, request: HttpRequest, queryset: QuerySet[Model]
    ) -> list[str]:
        return [f"-{name}" for name in self._keys]

    def get_results(self, request: HttpRequest) -> None:
        if self.candidates is None:
            rows, newer, older = self._page(self.queryset, self.list_per_page)
        else:
            rows, newer, older = self._part(self.candidates, self.list_per_page)
        self.result_list = rows
        self.result_count = len(rows)
        self.full_result_count = None
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = True
        self.paginator = Pages(
            newest="" if newer is None else self.get_query_string(),
            newer=self.get_query_string({NEWER: newer}) if newer else "",
            older=self.get_query_string({OLDER: older}) if older else "",
            oldest="" if older is None else self.get_query_string({OLDEST: "1"}),
            is_part=self.is_part,
        )

    @property
    def is_upwards(self) -> bool:
        """Whether the page was found from the oldest row on."""
        return NEWER in self.place or OLDEST in self.place

    @property
    def looked_through(self) -> str:
        """What is said where `is_part`."""
        others = "Newer" if self.is_upwards else "Older"
        return (
            f"So far {LOOKED_THROUGH:,} {self.opts.verbose_name_plural} were looked"
            f" through for this. {others} ones are on the next pages."
        )

    @property
    def further(self) -> str:
        """The address of the page that goes on looking."""
        pages: Pages = self.paginator
        return pages.newer if self.is_upwards else pages.older

    @property
    def _keys(self) -> list[str]:
        names = [name.removeprefix("-") for name in self._get_default_ordering()]
        names = ["pk" if name == self.opts.pk.name else name for name in names]
        return names if "pk" in names else [*names, "pk"]

    def _page(self, queryset: QuerySet[Model], size: int) -> Page:
        backwards = queryset.order_by(*self._keys)
        if OLDER in self.place:
            older = queryset.filter(self._beyond(self.place[OLDER], "lt"))
            rows = list(older[: size + 1])
            return self._ends(rows[:size], is_last=len(rows) <= size)
        if NEWER in self.place:
            newer = backwards.filter(self._beyond(self.place[NEWER], "gt"))
            rows = list(newer[: size + 1])
            # A short page would be the first one with rows missing at its end.
            if len(rows) > size:
                return self._ends(rows[:size][::-1])
        elif OLDEST in self.place:
            rows = list(backwards[: size + 1])
            is_first = len(rows) <= size
            return self._ends(rows[:size][::-1], is_first=is_first, is_last=True)
        rows = list(queryset[: size + 1])
        return self._ends(rows[:size], is_first=True, is_last=len(rows) <= size)

    def _ends(
        self, rows: list[Model], *, is_first: bool = False, is_last: bool = False
    ) -> Page:
        newer = None if is_first else self._key(rows[:1])
        return rows, newer, None if is_last else self._key(rows[-1:])

    def _part(self, candidates: QuerySet[Model], size: int) -> Page:
        """The same, of those that pass among the next LOOKED_THROUGH candidates by id.

        A page that these do not fill has the others behind it.
        """
        place, is_upwards = next(iter(self.place), ""), self.is_upwards
        order, beyond = ("pk", "pk__gt") if is_upwards else ("-pk", "pk__lt")
        rest, passing = candidates.order_by(order), self.queryset.order_by(order)
        if place in (NEWER, OLDER):
            ahead = self._beyond(self.place[place], beyond[-2:])
            rest, passing = rest.filter(ahead), passing.filter(ahead)
        begin = rest.values_list("pk", flat=True).first()
        if begin is None:
            return self._ends([], is_first=is_upwards, is_last=not is_upwards)
        end = begin + (LOOKED_THROUGH if is_upwards else -LOOKED_THROUGH)
        rows = list(passing.exclude(**{beyond: end})[: size + 1])
        is_full = len(rows) > size
        rows = rows[:size]
        self.is_part = not is_full and rest.filter(**{beyond: end}).exists()
        ahead_of = self._key(rows[-1:]) if is_full else str(end)
        last = ahead_of if is_full or self.is_part else None
        first = (self._key(rows[:1]) or str(begin)) if place in (NEWER, OLDER) else None
        return (rows[::-1], last, first) if is_upwards else (rows, first, last)

    def _key(self, rows: Sequence[Model]) -> str:
        if not rows:
            return ""
        parts = (getattr(rows[0], name) for name in self._keys)
        texts = (p.isoformat() if hasattr(p, "isoformat") else str(p) for p in parts)
        return SEPARATOR.join(texts)

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
    # Beside each filter how many rows it leaves: each count would read all of them.
    show_facets = ShowFacets.NEVER
    # Any other order than the index's would sort everything for each page.
    sortable_by = ()
    # What an address may ask that no index answers: a page then looks through a part.
    unindexed = ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetChangeList
