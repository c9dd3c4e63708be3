from django.urls import path

from segments.tracking import validation, views

app_name = "tracking"
urlpatterns = [
    path("batch", views.batch, name="batch"),
    *(
        path(kind, views.single, {"kind": kind}, name=kind)
        for kind in (*validation.KINDS, *validation.OTHER_KINDS)
    ),
]
