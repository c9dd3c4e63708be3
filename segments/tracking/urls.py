from django.urls import path

from segments.tracking import validation, views

app_name = "tracking"
# Segment's browser library says "t" for track, and "b" for a batch.
SINGLE = {kind: kind for kind in validation.KINDS}
SINGLE |= {kind[0]: kind for kind in validation.KINDS}
urlpatterns = [
    *(path(name, views.batch, name=name) for name in ("batch", "import", "b")),
    *(
        path(name, views.single, {"kind": kind}, name=name)
        for name, kind in SINGLE.items()
    ),
    path("m", views.metrics, name="metrics"),
]
