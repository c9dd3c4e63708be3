"""A segment's size day by day, what it shares with others, and its people as a file."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse

from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.logs import get_logger
from lemnisk_braze.lib.pages.confirm import Question, confirm
from lemnisk_braze.lib.pages.context import context_of
from lemnisk_braze.lib.pages.rows import as_id, row_of
from segments import naming
from segments.life import members, overlap, sizes
from segments.models import Segment

logger = get_logger(__name__)

SPANS = (30, 90, 365)
EXPORT = "segments.export_members"
TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


class NumberPages:
    """Mixed into the segment's admin."""

    admin_site: Any
    opts: Any
    has_view_permission: Any
    life_page: Any
    log_change: Any

    def sizes_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """?days=30, 90 or 365."""
        segment = row_of(self, request, pk)
        asked = as_id(request.GET.get("days", ""))
        days = asked if asked in SPANS else SPANS[0]
        context = {
            "title": f"Size of “{segment}” over time",
            "sizes": sizes.of(segment, days),
            "spans": SPANS,
            "span": days,
        }
        page: HttpResponse = self.life_page(request, segment, "sizes", context)
        return page

    def overlap_view(self, request: HttpRequest) -> HttpResponse:
        """?segment=ID, up to five of them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        offered = list(Segment.objects.filter(archived_at=None).order_by("name"))
        by_id = {segment.pk: segment for segment in offered}
        asked = [as_id(text) for text in request.GET.getlist("segment")]
        # Each once, in the order in which they were chosen.
        chosen = list(dict.fromkeys(pk for pk in asked if pk in by_id))[: overlap.MOST]
        rest = [None] * (overlap.MOST - len(chosen))
        title = "Overlap of segments"
        context = context_of(self.admin_site, request, title, Segment) | {
            "offered": offered,
            "choices": list(enumerate([*chosen, *rest], start=1)),
            "is_asked": len(chosen) > 1,
            "overlap": overlap.of([by_id[pk] for pk in chosen if pk])
            if len(chosen) > 1
            else None,
        }
        return TemplateResponse(request, "segments/life/overlap.html", context)

    def export_view(self, request: HttpRequest, pk: int) -> Any:
        """Ask which format; on POST the file, streamed."""
        segment = row_of(self, request, pk)
        if not request.user.has_perm(EXPORT):
            raise PermissionDenied
        is_masked = not naming.may_see_people(request.user)
        format = request.POST.get("format", "")
        if request.method == "POST" and format in members.FORMATS:
            return self._file(request, segment, format, is_masked=is_masked)
        question = Question(
            title=f"Export the people of “{segment}”",
            button="",
            back=segment.get_absolute_url(),
            words=(
                f"A file of about {counted(segment.size, 'person', 'people')}, with their identifiers and "
                "attributes and since when they are in it. The history of the segment "
                "says that you exported it.",
            ),
            warnings=(
                "You may not see people’s data unmasked: the file has them masked.",
            )
            if is_masked
            else (),
        )
        return confirm(
            self.admin_site, request, question, segment, "segments/life/export.html"
        )

    def _file(
        self, request: HttpRequest, segment: Segment, format: str, *, is_masked: bool
    ) -> StreamingHttpResponse:
        masked = ", masked" if is_masked else ""
        self.log_change(
            request,
            segment,
            f"Exported its people (about {segment.size:,}{masked}) as {format}.",
        )
        logger.info(
            "segment.exported",
            segment_id=segment.pk,
            user_id=request.user.pk,
            format=format,
            is_masked=is_masked,
        )
        answer = StreamingHttpResponse(
            map(str.encode, members.write(segment, format, is_masked=is_masked)),
            content_type=TYPES[format],
        )
        name = f"segment-{segment.pk}.{format}"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        answer["Cache-Control"] = "no-store"
        return answer
