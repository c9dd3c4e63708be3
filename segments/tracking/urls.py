from django.urls import path

from segments.tracking import messages, views

app_name = "tracking"
urlpatterns = [
    path("batch", views.batch, name="batch"),
    *(
        path(kind, views.single, {"kind": kind}, name=kind)
        for kind in (*messages.KINDS, *messages.OTHER_KINDS)
    ),
]
