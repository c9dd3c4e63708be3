"""The pages of a segment's life: its state, versions, uses, sizes, overlap and export."""

from typing import Any

from django.urls import URLPattern, path

from segments.admin.life.numbers import NumberPages
from segments.admin.life.states import StatePages
from segments.admin.life.versions import VersionPages
from segments.admin.life.warehouse import WarehousePages

PAGES = {
    "live": "make_live_view",
    "pause": "pause_view",
    "archive": "archive_view",
    "unarchive": "unarchive_view",
    "suppression": "suppression_view",
    "duplicate": "duplicate_view",
    "fixed": "fixed_view",
    "versions": "versions_view",
    "restore": "restore_view",
    "used": "used_view",
    "sizes": "sizes_view",
    "export": "export_view",
    "feed": "feed_view",
}


class LifePages(StatePages, VersionPages, NumberPages, WarehousePages):
    """Mixed into the segment's admin."""

    admin_site: Any

    def life_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("overlap/", wrap(self.overlap_view), name="segments_segment_overlap"),
            path(
                "warehouse/",
                wrap(self.warehouse_view),
                name="segments_segment_warehouse",
            ),
            *(
                path(
                    f"<int:pk>/{page}/",
                    wrap(getattr(self, view)),
                    name=f"segments_segment_{page}",
                )
                for page, view in PAGES.items()
            ),
        ]
