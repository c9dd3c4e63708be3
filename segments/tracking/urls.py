from django.urls import path

from segments.tracking import sdk_settings, validation, views
from segments.tracking.openapi import document

app_name = "tracking"
# Segment's browser library says "t" for track, and "b" for a batch.
SINGLE = {kind: kind for kind in validation.KINDS}
SINGLE |= {kind[0]: kind for kind in validation.KINDS}
urlpatterns = [
    *(path(f"v1/{name}", views.batch, name=name) for name in ("batch", "import", "b")),
    *(
        path(f"v1/{name}", views.single, {"kind": kind}, name=name)
        for name, kind in SINGLE.items()
    ),
    path("v3/data", views.data, name="data"),
    path("v1/openapi.json", document.openapi, name="openapi"),
    path("v1/m", views.metrics, name="metrics"),
    # Where RudderStack's browser library sends what is left when a page is closed.
    path("beacon/v1/batch", views.batch, name="beacon"),
    path(
        "v1/projects/<str:write_key>/settings",
        sdk_settings.segment_settings,
        name="segment_settings",
    ),
    path("sourceConfig/", sdk_settings.rudder_source_config, name="rudder_config"),
    path("sourceConfig", sdk_settings.rudder_source_config),
]
